#include "sys/http.h"

#include <curl/curl.h>

#include <cstring>
#include <mutex>

#include "base/error.h"

namespace slipway {

namespace {

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (::curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
      throw Error(ExitCode::internal, "libcurl does not start");
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() &&
         (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

void append(List& list, const std::string& text) {
  list.reset(::curl_slist_append(list.release(), text.c_str()));
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

// What the callbacks of one request work on.
struct Exchange {
  const HttpRequest& request;
  CURL* easy;
  HttpResponse response;
  std::exception_ptr problem;  // thrown by the caller's own functions

  bool succeeded() const {
    long status = 0, os_error = 0;
    ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    ::curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    return status >= 200 && status < 300;
  }
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {  // also after a 100, and after a proxy's own answer
    exchange.response.headers.clear();
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    exchange.response.headers[lower(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
  }
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view bytes(data, size * count);
  try {
    if (exchange.request.on_body && exchange.succeeded()) {
      exchange.request.on_body(bytes);
    } else {
      if (exchange.response.body.size() + bytes.size() > exchange.request.max_body)
        throw Error(ExitCode::unavailable, fmt::format("the answer of `{}` is larger than {} bytes",
                                                       exchange.request.url, exchange.request.max_body));
      exchange.response.body += bytes;
    }
    return bytes.size();
  } catch (...) {
    exchange.problem = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    return exchange.request.read_body(buffer, size * count);
  } catch (...) {
    exchange.problem = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

// "cannot reach `host:port`: reason".
// `os_error`: errno of the connection, or 0.
Error failure(CURLcode code, const char* detail, long os_error, const HttpRequest& request) {
  const auto url = Url::parse(request.url);
  const std::string where = !request.unix_socket.empty() ? request.unix_socket
                            : url                        ? fmt::format("{}:{}", url->host, url->port)
                                                         : request.url;
  std::string why = detail && *detail ? detail : ::curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Error(ExitCode::timeout, fmt::format("`{}` does not answer: {}", where, why)).retryable();
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return Error(ExitCode::unavailable,
                   fmt::format("the certificate of `{}` is not trusted: {}", where, why))
          .hint("add its CA to the system's (update-ca-certificates), or name it in the configuration");
    case CURLE_SSL_CONNECT_ERROR:
      return Error(ExitCode::unavailable, fmt::format("no TLS connection to `{}`: {}", where, why))
          .hint("if this server speaks plain HTTP, say so with `insecure`");
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Error(ExitCode::unavailable, fmt::format("there is no host `{}`", where))
          .hint("look for a typing mistake, then at the network")
          .retryable();
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return Error(ExitCode::usage, fmt::format("`{}` is no URL that slipway follows", request.url));
    case CURLE_COULDNT_CONNECT:
      // "Failed to connect to HOST port PORT after 0 ms" says the same twice and not why.
      if (os_error) {
        why = std::strerror(static_cast<int>(os_error));
        why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
      }
      break;
    default:
      break;
  }
  return Error(ExitCode::unavailable, fmt::format("cannot reach `{}`: {}", where, why)).retryable();
}

}  // namespace

std::string HttpResponse::header(const std::string& lower_name) const {
  const auto it = headers.find(lower_name);
  return it == headers.end() ? std::string() : it->second;
}

struct HttpClient::Impl {
  Impl() {
    start_curl();
    multi = ::curl_multi_init();
    easy = ::curl_easy_init();
    if (!multi || !easy) throw Error(ExitCode::internal, "libcurl does not start");
  }
  ~Impl() {
    ::curl_easy_cleanup(easy);
    ::curl_multi_cleanup(multi);
  }

  template <typename T>
  void set(CURLoption option, T value) {
    if (const auto code = ::curl_easy_setopt(easy, option, value); code != CURLE_OK)
      throw Error(ExitCode::internal, fmt::format("libcurl: {}", ::curl_easy_strerror(code)));
  }

  List headers_of(const HttpRequest& request) {
    List list;
    for (const auto& [name, value] : request.headers) {
      if (has_line_break(name) || has_line_break(value))
        throw Error(ExitCode::usage, fmt::format("the header `{}` holds a line break", name.substr(0, 40)));
      append(list, value.empty() ? name + ";" : name + ": " + value);
    }
    append(list, "Expect:");  // no waiting for a 100 that many servers never send
    return list;
  }

  void prepare(const HttpRequest& request, Exchange& exchange, curl_slist* headers, curl_slist* resolve) {
    ::curl_easy_reset(easy);
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_ERRORBUFFER, error);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &exchange);
    // Wishes: refused while a buffer of the last transfer is in use.
    ::curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    ::curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    if (request.stall_timeout.count() > 0) {
      set(CURLOPT_LOW_SPEED_LIMIT, 1L);
      set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(request.stall_timeout.count() / 1000)));
    }
    if (!request.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    if (resolve) set(CURLOPT_RESOLVE, resolve);
    if (const auto url = Url::parse(request.url); url && is_loopback_host(url->host)) set(CURLOPT_PROXY, "");
    if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
    if (!request.client_cert.empty()) set(CURLOPT_SSLCERT, request.client_cert.c_str());
    if (!request.client_key.empty()) set(CURLOPT_SSLKEY, request.client_key.c_str());
    if (!request.verify_tls) {
      set(CURLOPT_SSL_VERIFYPEER, 0L);
      set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request.read_body) {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_READFUNCTION, on_read);
      set(CURLOPT_READDATA, &exchange);
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_size));
    } else if (request.body || request.method == "POST" || request.method == "PUT" ||
               request.method == "PATCH") {
      static const std::string none;
      const auto& body = request.body ? *request.body : none;
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
      set(CURLOPT_POSTFIELDS, body.c_str());
    }
    if (request.method == "HEAD")
      set(CURLOPT_NOBODY, 1L);
    else
      set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  // Until the transfer has ended; nullopt when `stop` was requested first.
  std::optional<CURLcode> transfer(const std::stop_token& stop) {
    std::stop_callback wake(stop, [this] { ::curl_multi_wakeup(multi); });
    for (;;) {
      int running = 0;
      if (const auto code = ::curl_multi_perform(multi, &running); code != CURLM_OK)
        throw Error(ExitCode::internal, fmt::format("libcurl: {}", ::curl_multi_strerror(code)));
      int left = 0;
      while (const auto* message = ::curl_multi_info_read(multi, &left))
        if (message->msg == CURLMSG_DONE) return message->data.result;
      if (stop.stop_requested()) return std::nullopt;
      ::curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
  }

  HttpResponse send(const HttpRequest& request, const std::stop_token& stop) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
    Exchange exchange{request, easy, {}, nullptr};
    const auto headers = headers_of(request);
    List resolve;
    if (!request.resolve_to.empty())
      if (const auto url = Url::parse(request.url))
        append(resolve, fmt::format("{}:{}:{}", url->host, url->port, request.resolve_to));
    error[0] = '\0';
    prepare(request, exchange, headers.get(), resolve.get());
    ::curl_multi_add_handle(multi, easy);
    std::optional<CURLcode> code;
    try {
      code = transfer(stop);
    } catch (...) {
      ::curl_multi_remove_handle(multi, easy);
      throw;
    }
    long status = 0, os_error = 0;
    ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    ::curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    ::curl_multi_remove_handle(multi, easy);
    if (!code) throw Error(ExitCode::interrupted, "stopped");
    if (exchange.problem) std::rethrow_exception(exchange.problem);
    // A server that answers before it has read the whole body (413, 401) may close: its answer counts.
    const bool early_answer = *code == CURLE_SEND_ERROR && status >= 400;
    if (*code != CURLE_OK && !early_answer) throw failure(*code, error, os_error, request);
    exchange.response.status = static_cast<int>(status);
    return std::move(exchange.response);
  }

  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  char error[CURL_ERROR_SIZE] = {};
};

HttpClient::HttpClient() : impl_(std::make_unique<Impl>()) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

HttpResponse HttpClient::send(const HttpRequest& request, std::stop_token stop) {
  return impl_->send(request, stop);
}

std::string Url::origin() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

std::optional<Url> Url::parse(std::string_view text) {
  Url out;
  for (const unsigned char c : text)
    if (c <= 0x20 || c == 0x7f) return std::nullopt;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  out.scheme = lower(text.substr(0, colon));
  if (out.scheme == "http")
    out.port = 80;
  else if (out.scheme == "https")
    out.port = 443;
  else
    return std::nullopt;
  text.remove_prefix(colon + 3);
  const auto end = std::min(text.find_first_of("/?#"), text.size());
  auto authority = text.substr(0, end);
  out.path = text.substr(end);
  if (const auto hash = out.path.find('#'); hash != std::string::npos) out.path.resize(hash);
  if (!out.path.starts_with('/')) out.path.insert(0, "/");
  if (authority.find('@') != std::string_view::npos || authority.find('\\') != std::string_view::npos)
    return std::nullopt;
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.host = lower(authority.substr(1, close - 1));
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority[0] != ':') return std::nullopt;
    port = authority.empty() ? authority : authority.substr(1);
  } else {
    const auto at = authority.find(':');
    out.host = lower(authority.substr(0, at));
    if (at != std::string_view::npos) port = authority.substr(at + 1);
  }
  if (out.host.empty()) return std::nullopt;
  if (!port.empty()) {
    if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
      return std::nullopt;
    out.port = std::stoi(std::string(port));
    if (out.port < 1 || out.port > 65535) return std::nullopt;
  }
  return out;
}

std::string resolve_url(const std::string& base, const std::string& reference) {
  std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> url(::curl_url(), ::curl_url_cleanup);
  char* out = nullptr;
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      ::curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
      ::curl_url_get(url.get(), CURLUPART_URL, &out, 0) != CURLUE_OK)
    throw Error(ExitCode::unavailable, fmt::format("`{}` is no place to go on to", reference.substr(0, 200)));
  std::string text(out);
  ::curl_free(out);
  return text;
}

std::optional<std::int64_t> parse_http_date(const std::string& text) {
  const auto when = ::curl_getdate(text.c_str(), nullptr);
  if (when < 0) return std::nullopt;
  return when;
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  if (!host.starts_with("127.")) return false;
  int dots = 0;
  for (const char c : host) {
    if (c == '.')
      ++dots;
    else if (c < '0' || c > '9')
      return false;
  }
  return dots == 3;
}

}  // namespace slipway
