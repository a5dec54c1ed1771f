// A small HTTP/1.1 server on 127.0.0.1 whose answers a test decides: for faults that no real server makes on
// demand, and, put in front of a real one, for faults in the middle of a real conversation.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace slipway::test {

struct Asked {
  std::string method, target;                  // "/v2/app/manifests/1?x=y"
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct Reply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<std::size_t> cut_after;  // bytes of the body after which the connection breaks
  bool hang_up = false;                  // no answer at all
};

class HttpServer {
 public:
  // Called on the server's thread, one request at a time. nullopt: pass on to `upstream` ("127.0.0.1:PORT").
  using Handler = std::function<std::optional<Reply>(const Asked&)>;
  explicit HttpServer(Handler handler, std::string upstream = {});
  ~HttpServer();
  std::string host() const;          // "127.0.0.1:PORT"
  std::vector<Asked> asked() const;  // so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::test
