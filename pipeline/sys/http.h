// HTTP over libcurl: one request at a time per client or many at once in a group, connections reused,
// redirects never followed by libcurl.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"

namespace slipway {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::map<std::string, std::string> headers;
  std::vector<std::pair<std::string, std::string>> more_headers;  // names that may stand several times
  std::optional<std::string> body;                                // sent whole
  // Streams the body instead: fills the buffer, returns the count, 0 at the end; with its size in bytes.
  std::function<std::size_t(char*, std::size_t)> read_body;
  std::uint64_t body_size = 0;
  // Receives the body of a 2xx answer as it comes; without it the body is kept in the answer (max_body).
  std::function<void(std::string_view)> on_body;
  std::uint64_t max_body = 8ull << 20;           // bytes kept; more is Error "answer is too large"
  std::string unix_socket;                       // connect here instead (Docker Engine)
  std::string resolve_to;                        // pin the host to this address (CURLOPT_RESOLVE)
  std::string ca_file, client_cert, client_key;  // PEM files
  std::string ca_pem, cert_pem, key_pem;         // the same as texts; with ca_pem no other CA is trusted
  std::string tls_server_name;                   // instead of the URL's host, for SNI and the certificate
  std::string proxy;                             // a URL; empty: as the environment says
  bool http2 = false;                            // many requests over one connection where the server can
  bool verify_tls = true;
  Millis connect_timeout{10'000};
  Millis timeout{0};             // whole request; 0: none
  Millis stall_timeout{60'000};  // no byte for so long: Error(timeout), retryable
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; the last of equal names wins
  std::string body;
  std::string header(const std::string& lower_name) const;
};

class HttpClient {
 public:
  HttpClient();
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();
  // Any HTTP status is an answer. No answer (refused, reset, TLS, timeout) throws Error(unavailable),
  // retryable where trying again makes sense, naming the host. Stops with Error(interrupted) when `stop` is
  // requested.
  HttpResponse send(const HttpRequest& request, std::stop_token stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct HttpResult {
  HttpResponse response;
  std::optional<Error> error;  // no answer: as HttpClient::send throws it
};

// Many requests at once on one thread. Their functions are called by poll() and may start and cancel others.
class HttpGroup {
 public:
  using Done = std::function<void(HttpResult)>;
  HttpGroup();
  HttpGroup(HttpGroup&&) noexcept;
  ~HttpGroup();  // what still runs is dropped
  std::uint64_t start(HttpRequest request, Done done);
  void cancel(std::uint64_t id);  // its `done` is not called
  std::size_t running() const;
  // Until one has ended, `at_most` is over or `stop` is requested; whatever came meanwhile is handed on.
  void poll(Millis at_most, std::stop_token stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// scheme, host (lower case, without brackets), port (default of the scheme), path with query; nullopt when it
// is no absolute http(s) URL, or holds userinfo, control characters or spaces.
struct Url {
  std::string scheme, host, path;
  int port = 0;
  std::string origin() const;  // "https://host:port"
  static std::optional<Url> parse(std::string_view text);
};
// RFC 3986 reference resolution of a Location header against the URL it came from.
std::string resolve_url(const std::string& base, const std::string& reference);
// Seconds since the epoch of an HTTP date (RFC 9110 5.6.7); nullopt when it is none.
std::optional<std::int64_t> parse_http_date(const std::string& text);
bool is_loopback_host(std::string_view host);  // literal 127.0.0.0/8, ::1 or "localhost"

}  // namespace slipway
