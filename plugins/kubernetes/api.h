// The Kubernetes API over HTTP: requests and watches, many at once on the caller's thread, tried again where
// that is safe. Source: kubernetes.io/docs/reference/using-api/api-concepts, and .../server-side-apply.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "plugins/kubernetes/kubeconfig.h"
#include "sys/http.h"

namespace slipway::kubernetes {

using nlohmann::json;

// A refusal of the API server (a Status object), or no answer at all (status 0).
class ApiError : public Error {
 public:
  ApiError(Error error, int http_status, std::string why, json object)
      : Error(std::move(error)), status(http_status), reason(std::move(why)), body(std::move(object)) {}
  int status;
  std::string reason;  // "NotFound", "Conflict", "Forbidden"…
  json body;
};

struct Request {
  std::string method = "GET", path;  // "/api/v1/namespaces/x/pods"
  std::map<std::string, std::string> query;
  json body;  // null: none
  std::string content_type = "application/json";
  std::string accept = "application/json";
  bool text = false;                                // the answer is no JSON: it comes as a JSON string
  std::function<void(std::string_view)> on_stream;  // instead of an answer: bytes as they come
  Millis timeout{30'000};                           // 0: none
  std::optional<Millis> patience;                   // how long to try again (default: a minute)
};

// The answer, or why there is none. `error` is set for every status but 2xx.
struct Answer {
  json body;
  std::optional<ApiError> error;
};

class Api {
 public:
  using Done = std::function<void(Answer)>;
  // `said`: told of faults that are tried again.
  Api(Connection connection, std::stop_token stop, std::function<void(const std::string&)> said = {});
  ~Api();
  const Connection& connection() const;

  // Each `done` is called once, from poll().
  std::uint64_t start(Request request, Done done);
  void cancel(std::uint64_t id);
  std::size_t running() const;
  // Calls `what` from poll(), once, when `delay` is over.
  void later(Millis delay, std::function<void()> what);
  // Until something has happened or `at_most` is over. Throws Error(interrupted) when stop is requested.
  void poll(Millis at_most);
  void finish();  // polls until nothing runs

  json call(Request request);                         // throws ApiError
  std::optional<json> find(const std::string& path);  // nullopt: 404
  json version();                                     // {"major", "minor", "gitVersion", …}, asked once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string url_encoded(std::string_view text);

}  // namespace slipway::kubernetes
