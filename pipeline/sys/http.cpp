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

namespace {

// One request on its way: everything that libcurl holds pointers to, at a fixed address.
class Transfer {
 public:
  Transfer(CURL* easy, const HttpRequest& request) : easy_(easy), exchange_{request, easy, {}, nullptr} {
    for (const auto& [name, value] : request.headers) add_header(name, value);
    for (const auto& [name, value] : request.more_headers) add_header(name, value);
    append(headers_, "Expect:");  // no waiting for a 100 that many servers never send
    ::curl_easy_reset(easy_);
    name_server(request);
    prepare(request);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // After libcurl has ended it with `code`. Throws when there is no answer.
  HttpResponse finish(CURLcode code) {
    long status = 0, os_error = 0;
    ::curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    ::curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_error);
    if (exchange_.problem) std::rethrow_exception(exchange_.problem);
    // A server that answers before it has read the whole body (413, 401) may close: its answer counts.
    const bool early_answer = code == CURLE_SEND_ERROR && status >= 400;
    if (code != CURLE_OK && !early_answer) throw failure(code, error_, os_error, exchange_.request);
    exchange_.response.status = static_cast<int>(status);
    return std::move(exchange_.response);
  }

 private:
  template <typename T>
  void set(CURLoption option, T value) {
    if (const auto code = ::curl_easy_setopt(easy_, option, value); code != CURLE_OK)
      throw Error(ExitCode::internal, fmt::format("libcurl: {}", ::curl_easy_strerror(code)));
  }

  void add_header(const std::string& name, const std::string& value) {
    if (has_line_break(name) || has_line_break(value))
      throw Error(ExitCode::usage, fmt::format("the header `{}` holds a line break", name.substr(0, 40)));
    append(headers_, value.empty() ? name + ";" : name + ": " + value);
  }

  void set_text(CURLoption option, const std::string& pem) {
    curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_NOCOPY};
    set(option, &blob);
  }

  // libcurl checks the certificate against the URL's host: the URL gets the wanted name, the connection goes
  // to the real one.
  void name_server(const HttpRequest& request) {
    url_ = request.url;
    const auto url = Url::parse(request.url);
    if (!url) return;
    if (!request.resolve_to.empty())
      append(resolve_, fmt::format("{}:{}:{}", url->host, url->port, request.resolve_to));
    if (request.tls_server_name.empty() || request.tls_server_name == url->host) return;
    const auto real = url->host.find(':') == std::string::npos ? url->host : "[" + url->host + "]";
    append(connect_to_, fmt::format("{0}:{1}:{2}:{1}", request.tls_server_name, url->port, real));
    append(headers_, fmt::format("Host: {}:{}", real, url->port));
    url_ = fmt::format("{}://{}:{}{}", url->scheme, request.tls_server_name, url->port, url->path);
    set(CURLOPT_CONNECT_TO, connect_to_.get());
  }

  void prepare(const HttpRequest& request) {
    set(CURLOPT_URL, url_.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &exchange_);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &exchange_);
    // Wishes: refused while a buffer of the last transfer is in use.
    ::curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, 256L << 10);
    ::curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    if (request.stall_timeout.count() > 0) {
      set(CURLOPT_LOW_SPEED_LIMIT, 1L);
      set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(request.stall_timeout.count() / 1000)));
    }
    if (request.http2) {
      set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
      set(CURLOPT_PIPEWAIT, 1L);
    }
    if (!request.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    if (resolve_) set(CURLOPT_RESOLVE, resolve_.get());
    if (const auto url = Url::parse(request.url); url && is_loopback_host(url->host)) set(CURLOPT_PROXY, "");
    if (!request.proxy.empty()) {
      set(CURLOPT_PROXY, request.proxy.c_str());
      set(CURLOPT_NOPROXY, "");  // named for this server: the environment's exceptions are not meant
    }
    secure(request);
    if (request.read_body) {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_READFUNCTION, on_read);
      set(CURLOPT_READDATA, &exchange_);
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

  void secure(const HttpRequest& request) {
    if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
    if (!request.client_cert.empty()) set(CURLOPT_SSLCERT, request.client_cert.c_str());
    if (!request.client_key.empty()) set(CURLOPT_SSLKEY, request.client_key.c_str());
    if (!request.ca_pem.empty()) {
      set_text(CURLOPT_CAINFO_BLOB, request.ca_pem);
      set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    if (!request.cert_pem.empty()) set_text(CURLOPT_SSLCERT_BLOB, request.cert_pem);
    if (!request.key_pem.empty()) set_text(CURLOPT_SSLKEY_BLOB, request.key_pem);
    if (!request.verify_tls) {
      set(CURLOPT_SSL_VERIFYPEER, 0L);
      set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
  }

  CURL* easy_;
  Exchange exchange_;
  List headers_, resolve_, connect_to_;
  std::string url_;
  char error_[CURL_ERROR_SIZE] = {};
};

// A multi handle and its easy handles, which are used again.
struct Handles {
  Handles() {
    start_curl();
    multi = ::curl_multi_init();
    if (!multi) throw Error(ExitCode::internal, "libcurl does not start");
  }
  ~Handles() {
    for (auto* easy : idle) ::curl_easy_cleanup(easy);
    ::curl_multi_cleanup(multi);
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  CURL* take() {
    if (!idle.empty()) {
      auto* easy = idle.back();
      idle.pop_back();
      return easy;
    }
    auto* easy = ::curl_easy_init();
    if (!easy) throw Error(ExitCode::internal, "libcurl does not start");
    return easy;
  }
  void give_back(CURL* easy) { idle.push_back(easy); }

  void perform() {
    int running = 0;
    if (const auto code = ::curl_multi_perform(multi, &running); code != CURLM_OK)
      throw Error(ExitCode::internal, fmt::format("libcurl: {}", ::curl_multi_strerror(code)));
  }
  // The next one that has ended.
  std::optional<std::pair<CURL*, CURLcode>> ended() {
    int left = 0;
    while (const auto* message = ::curl_multi_info_read(multi, &left))
      if (message->msg == CURLMSG_DONE) return std::pair{message->easy_handle, message->data.result};
    return std::nullopt;
  }

  CURLM* multi = nullptr;
  std::vector<CURL*> idle;
};

}  // namespace

struct HttpClient::Impl {
  // Until the transfer has ended; nullopt when `stop` was requested first.
  std::optional<CURLcode> transfer(const std::stop_token& stop) {
    std::stop_callback wake(stop, [this] { ::curl_multi_wakeup(handles.multi); });
    for (;;) {
      handles.perform();
      if (const auto done = handles.ended()) return done->second;
      if (stop.stop_requested()) return std::nullopt;
      ::curl_multi_poll(handles.multi, nullptr, 0, 1000, nullptr);
    }
  }

  HttpResponse send(const HttpRequest& request, const std::stop_token& stop) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
    auto* easy = handles.take();
    struct GiveBack {
      Handles& handles;
      CURL* easy;
      ~GiveBack() { handles.give_back(easy); }
    } give_back{handles, easy};
    Transfer one(easy, request);
    ::curl_multi_add_handle(handles.multi, easy);
    std::optional<CURLcode> code;
    try {
      code = transfer(stop);
    } catch (...) {
      ::curl_multi_remove_handle(handles.multi, easy);
      throw;
    }
    ::curl_multi_remove_handle(handles.multi, easy);
    if (!code) throw Error(ExitCode::interrupted, "stopped");
    return one.finish(*code);
  }

  Handles handles;
};

struct HttpGroup::Impl {
  struct Running {
    std::uint64_t id;
    HttpRequest request;  // before `transfer`, which refers to it
    Done done;
    std::unique_ptr<Transfer> transfer;
  };

  ~Impl() {
    for (auto& [easy, _] : running) {
      ::curl_multi_remove_handle(handles.multi, easy);
      ::curl_easy_cleanup(easy);
    }
  }

  std::uint64_t start(HttpRequest request, Done done) {
    auto* easy = handles.take();
    auto one = std::make_unique<Running>(Running{++last, std::move(request), std::move(done), nullptr});
    try {
      one->transfer = std::make_unique<Transfer>(easy, one->request);
    } catch (...) {
      handles.give_back(easy);
      throw;
    }
    ::curl_multi_add_handle(handles.multi, easy);
    running.emplace(easy, std::move(one));
    return last;
  }

  void cancel(std::uint64_t id) {
    for (auto it = running.begin(); it != running.end(); ++it) {
      if (it->second->id != id) continue;
      auto* easy = it->first;
      // Within a callback libcurl does not let go of it: poll() does afterwards.
      if (in_perform) {
        it->second->done = nullptr;
        cancelled.push_back(easy);
        return;
      }
      drop(easy);
      return;
    }
  }

  void drop(CURL* easy) {
    const auto it = running.find(easy);
    if (it == running.end()) return;
    ::curl_multi_remove_handle(handles.multi, easy);
    running.erase(it);
    handles.give_back(easy);
  }

  void poll(Millis at_most, const std::stop_token& stop) {
    std::stop_callback wake(stop, [this] { ::curl_multi_wakeup(handles.multi); });
    const auto deadline = std::chrono::steady_clock::now() + at_most;
    for (;;) {
      in_perform = true;
      try {
        handles.perform();
      } catch (...) {
        in_perform = false;
        throw;
      }
      in_perform = false;
      for (auto* easy : std::exchange(cancelled, {})) drop(easy);
      bool any = false;
      while (const auto done = handles.ended()) {
        any = true;
        hand_over(done->first, done->second);
      }
      const auto left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now()).count();
      if (any || left <= 0 || stop.stop_requested()) return;
      const int ms = static_cast<int>(std::min<std::int64_t>(left, 1'000));
      ::curl_multi_poll(handles.multi, nullptr, 0, ms, nullptr);
    }
  }

  void hand_over(CURL* easy, CURLcode code) {
    const auto it = running.find(easy);
    if (it == running.end()) return;
    const auto one = std::move(it->second);
    running.erase(it);
    ::curl_multi_remove_handle(handles.multi, easy);
    HttpResult result;
    try {
      result.response = one->transfer->finish(code);
    } catch (const Error& e) {
      result.error = e;
    }
    handles.give_back(easy);
    if (one->done) one->done(std::move(result));
  }

  Handles handles;
  std::map<CURL*, std::unique_ptr<Running>> running;
  std::vector<CURL*> cancelled;
  std::uint64_t last = 0;
  bool in_perform = false;
};

HttpGroup::HttpGroup() : impl_(std::make_unique<Impl>()) {}
HttpGroup::HttpGroup(HttpGroup&&) noexcept = default;
HttpGroup::~HttpGroup() = default;
std::uint64_t HttpGroup::start(HttpRequest request, Done done) {
  return impl_->start(std::move(request), std::move(done));
}
void HttpGroup::cancel(std::uint64_t id) {
  impl_->cancel(id);
}
std::size_t HttpGroup::running() const {
  return impl_->running.size();
}
void HttpGroup::poll(Millis at_most, std::stop_token stop) {
  impl_->poll(at_most, stop);
}

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
