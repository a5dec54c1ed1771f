// A Docker Engine's API over HTTP: requests and streams, several at once on the caller's thread, tried again
// where that is safe. Always a versioned path (docs.docker.com/reference/api/engine/version-history).
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "oci/engine_endpoint.h"

namespace slipway::oci {

using nlohmann::json;

// A refusal of the engine, or no answer at all (status 0).
class EngineError : public Error {
 public:
  EngineError(Error error, int http_status) : Error(std::move(error)), status(http_status) {}
  int status;
};

struct EngineRequest {
  std::string method = "GET", path;  // "/services/create"; the version is put before it
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;
  json body;  // null: none
  // A body that is streamed instead, and its size in bytes.
  std::function<std::size_t(char*, std::size_t)> read_body;
  std::uint64_t body_size = 0;
  std::string content_type = "application/json";
  std::function<void(std::string_view)> on_stream;  // instead of an answer: bytes as they come
  bool text = false;                                // the answer is no JSON: it comes as a JSON string
  Millis timeout{30'000};                           // 0: none
  std::optional<Millis> patience;                   // how long to try again (default: a minute)
};

// The answer (null when it is empty), or why there is none. `error` is set for every status but 2xx and 304.
struct EngineAnswer {
  json body;
  std::optional<EngineError> error;
};

class EngineApi {
 public:
  using Done = std::function<void(EngineAnswer)>;
  // Connects and agrees on a version. Throws Error(unavailable), or Error(auth) when TLS or ssh refuses us.
  // `said`: told of faults that are tried again.
  EngineApi(EngineEndpoint endpoint, std::stop_token stop, std::function<void(const std::string&)> said = {});
  ~EngineApi();
  const EngineEndpoint& endpoint() const;
  const std::string& version() const;  // agreed on: "1.41"

  // Each `done` is called once, from poll().
  std::uint64_t start(EngineRequest request, Done done);
  void cancel(std::uint64_t id);
  // Calls `what` from poll(), once, when `delay` is over.
  void later(Millis delay, std::function<void()> what);
  // Until something has happened or `at_most` is over. Throws Error(interrupted) when stop is requested.
  void poll(Millis at_most);
  // poll() for as long as `delay`.
  void wait(Millis delay);

  json call(EngineRequest request);  // throws EngineError
  json get(const std::string& path, std::map<std::string, std::string> query = {});
  std::optional<json> find(const std::string& path);  // nullopt: 404

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The `filters` of a list: {"label": ["a=b"]}.
std::string engine_filters(const std::map<std::string, std::vector<std::string>>& filters);

// A log's bytes as the engine frames them (API "Stream format"): a header of 8 bytes, then as many as it
// says.
class LogFrames {
 public:
  using Take = std::function<void(std::string_view text, bool error_stream)>;
  void feed(std::string_view bytes, const Take& take);

 private:
  std::string rest_;
};

std::string percent_encoded(std::string_view text);

}  // namespace slipway::oci
