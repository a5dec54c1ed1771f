#include "oci/engine_api.h"

#include <cstdlib>

#include "oci/engine_tunnel.h"
#include "sys/http.h"

namespace slipway::oci {

namespace {

using Clock = std::chrono::steady_clock;

// The newest version that slipway knows, and the oldest that has all it needs (1.30: Docker 17.06).
constexpr int kNewest = 44, kOldest = 30;
constexpr Millis kFirstPatience{4'000}, kPatience{60'000};
constexpr Millis kFirstPause{200}, kLongestPause{5'000};
constexpr std::uint64_t kMaxAnswer = 256ull << 20;

ExitCode code_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return ExitCode::auth;
    case 400:
      return ExitCode::usage;
    case 409:
      return ExitCode::denied;
    default:
      return ExitCode::unavailable;
  }
}

std::string shown(std::string text) {
  constexpr std::size_t kMost = 600;
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  while (text.ends_with(' ')) text.pop_back();
  return text.size() > kMost ? text.substr(0, kMost) + "…" : text;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// 503 means both "come again" and "this is no manager": the first passes, the second does not.
bool is_no_manager(const std::string& message) {
  return contains(message, "not a swarm manager") || contains(message, "not part of a swarm");
}

EngineError refusal(const EngineRequest& request, const HttpResponse& response,
                    const EngineEndpoint& endpoint) {
  const auto body = json::parse(response.body, nullptr, false);
  const bool told = body.is_object() && body.contains("message") && body["message"].is_string();
  std::string text = told ? shown(body["message"].get<std::string>()) : "";
  std::string hint;
  const int status = response.status;
  if (!told) {
    const bool page = contains(response.header("content-type"), "html");
    text = fmt::format("the {} answers {} to {} {}{}", endpoint.describe(), status, request.method,
                       request.path, page ? " with a web page" : "");
    if (contains(response.body, "HTTP request to an HTTPS server"))
      hint = "this engine speaks TLS: give it `tls: {ca, cert, key}`, or set DOCKER_TLS_VERIFY";
    else if (page)
      hint = "is this a Docker Engine, or a proxy before it?";
  } else if (is_no_manager(text)) {
    text = fmt::format("the {} is no manager of a swarm", endpoint.describe());
    hint = "`docker swarm init` there makes it one; or name a manager as `host` under `target`";
  } else if (contains(text, "does not have a leader")) {
    hint = "more than half of the managers must be up";
  }
  Error error(code_of(status), text);
  if (!hint.empty()) error.hint(hint);
  if (status == 429 || status >= 500) error.retryable();
  return {std::move(error), status};
}

Millis pause_of(int tries, const HttpResponse& response) {
  auto pause = std::min(kFirstPause * (1 << std::min(tries, 8)), kLongestPause);
  if (const auto after = response.header("retry-after"); !after.empty()) {
    char* end = nullptr;
    const auto seconds = std::strtol(after.c_str(), &end, 10);
    if (end && *end == '\0' && seconds >= 0) {
      pause = std::max(pause, Millis(std::min(seconds, 3'600L) * 1000));
    } else if (const auto date = parse_http_date(after)) {
      pause = std::max(pause, Millis((*date - now_micros() / 1'000'000) * 1000));
    }
  }
  return pause;
}

// "1.41" → 41; -1 when it is none.
int minor_of(const std::string& version) {
  if (!version.starts_with("1.")) return -1;
  const auto text = version.substr(2);
  if (text.empty() || text.size() > 4 || text.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoi(text);
}

Error with_advice(Error error, const EngineEndpoint& endpoint) {
  if (!error.hint().empty()) return error;
  const auto& text = error.message();
  if (contains(text, "ermission denied"))
    error.hint("your user may not use this socket: run as root or as a member of its group (docker)");
  else if (endpoint.host.starts_with("unix://"))
    error.hint("start the Docker Engine there, or say where it is: `host` under `target`, or DOCKER_HOST");
  else
    error.hint("does the engine listen there, and may this machine reach it?");
  return error;
}

}  // namespace

struct EngineApi::Impl {
  struct Running {
    EngineRequest request;
    Done done;
    std::uint64_t transfer = 0;  // 0: waits until `due`
    Clock::time_point due, begin = Clock::now();
    int tries = 0;
    bool got = false;  // a stream that has begun is not begun again
  };

  Impl(EngineEndpoint e, std::stop_token s, std::function<void(const std::string&)> on_fault)
      : endpoint(std::move(e)), stop(std::move(s)), said(std::move(on_fault)) {
    if (endpoint.host.starts_with("unix://")) {
      socket = endpoint.host.substr(7);
    } else if (endpoint.host.starts_with("ssh://")) {
      tunnel.emplace(parse_ssh(endpoint.host), stop);
      socket = tunnel->socket();
    } else {
      base = (endpoint.tls.empty() ? "http://" : "https://") + endpoint.host.substr(6);
      while (base.ends_with('/')) base.pop_back();
    }
  }

  HttpRequest http_of(const EngineRequest& request) const {
    HttpRequest http;
    http.method = request.method;
    http.url = base + prefix + request.path;
    char mark = '?';
    for (const auto& [name, value] : request.query) {
      http.url += mark + percent_encoded(name) + "=" + percent_encoded(value);
      mark = '&';
    }
    http.unix_socket = socket;
    http.headers = request.headers;
    http.timeout = request.timeout;
    http.stall_timeout = Millis(0);
    http.max_body = kMaxAnswer;
    http.verify_tls = endpoint.verify;
    http.ca_file = endpoint.tls.ca;
    http.client_cert = endpoint.tls.cert;
    http.client_key = endpoint.tls.key;
    if (request.read_body) {
      http.headers["Content-Type"] = request.content_type;
      http.read_body = request.read_body;
      http.body_size = request.body_size;
    } else if (!request.body.is_null()) {
      http.headers["Content-Type"] = request.content_type;
      http.body = request.body.dump();
    }
    return http;
  }

  void agree() {
    EngineRequest ping;
    ping.path = "/_ping";
    ping.timeout = Millis(10'000);
    const auto begin = Clock::now();
    HttpClient client;
    std::optional<HttpResponse> answer;
    for (int tries = 0; !answer; ++tries) {
      try {
        answer = client.send(http_of(ping), stop);
      } catch (const Error& e) {
        if (e.code() == ExitCode::interrupted) throw;
        const auto pause = pause_of(tries, {});
        // A socket that is not there, or not for us, will not be in a moment either.
        const bool may_pass = e.is_retryable() && e.code() != ExitCode::timeout &&
                              !contains(e.message(), "no such file") &&
                              !contains(e.message(), "ermission denied");
        if (!may_pass || Clock::now() + pause - begin > kFirstPatience) {
          Error out(e.code() == ExitCode::timeout ? ExitCode::unavailable : e.code(), e.message());
          out.hint(e.hint());
          throw with_advice(std::move(out), endpoint).trail("while looking for the Docker Engine");
        }
        wait(pause);
      }
    }
    auto told = answer->header("api-version");
    if (answer->status != 200 || minor_of(told) < 0) {
      if (answer->status < 200 || answer->status > 299) throw refusal(ping, *answer, endpoint);
      throw Error(ExitCode::unavailable, fmt::format("what answers at {} is no Docker Engine", endpoint.host))
          .hint("look at `host` under `target`, and at DOCKER_HOST");
    }
    if (minor_of(told) < kOldest)
      throw Error(ExitCode::unavailable,
                  fmt::format("the {} speaks version {} of its API, slipway 1.{} and newer",
                              endpoint.describe(), told, kOldest))
          .hint("a newer engine is needed there");
    version = fmt::format("1.{}", std::min(minor_of(told), kNewest));
    prefix = "/v" + version;
  }

  void send(std::uint64_t id) {
    auto& one = running.at(id);
    auto http = http_of(one.request);
    if (one.request.on_stream)
      http.on_body = [&one](std::string_view bytes) {
        one.got = true;
        one.request.on_stream(bytes);
      };
    one.transfer =
        group.start(std::move(http), [this, id](HttpResult result) { ended(id, std::move(result)); });
  }

  // Not done, or done again without harm.
  static bool may_repeat(const EngineRequest& request, const HttpResult& result) {
    if (request.read_body) return false;
    if (request.method == "GET" || request.method == "DELETE") return true;
    return result.response.status == 429 || (result.error && contains(result.error->message(), "refused"));
  }

  void ended(std::uint64_t id, HttpResult result) {
    auto& one = running.at(id);
    const int status = result.response.status;
    const bool busy =
        !result.error && (status == 429 || status >= 500) && !is_no_manager(result.response.body);
    if (((result.error && result.error->is_retryable()) || busy) && may_repeat(one.request, result) &&
        !one.got) {
      const auto pause = pause_of(one.tries, result.response);
      if (Clock::now() + pause - one.begin < one.request.patience.value_or(kPatience)) {
        if (said && one.tries == 1)
          said(fmt::format("{}; trying again",
                           result.error ? result.error->message()
                                        : refusal(one.request, result.response, endpoint).message()));
        ++one.tries;
        one.transfer = 0;
        one.due = Clock::now() + pause;
        return;
      }
    }
    EngineAnswer answer;
    if (result.error) {
      Error error = *result.error;
      if (error.code() == ExitCode::timeout)
        error = Error(ExitCode::unavailable, error.message()).hint(error.hint()).retryable();
      error.trail(fmt::format("while asking the {}", endpoint.describe()));
      answer.error = EngineError(with_advice(std::move(error), endpoint), 0);
    } else if (status != 304 && (status < 200 || status > 299)) {
      answer.error = refusal(one.request, result.response, endpoint);
    } else if (one.request.text) {
      answer.body = result.response.body;
    } else if (!one.request.on_stream && !result.response.body.empty()) {
      answer.body = json::parse(result.response.body, nullptr, false);
      if (answer.body.is_discarded()) {
        answer.body = nullptr;
        if (one.request.method == "GET")
          answer.error = EngineError(
              Error(ExitCode::unavailable, fmt::format("the {} does not answer in JSON", endpoint.describe()))
                  .hint("is this a Docker Engine, or a proxy before it?"),
              status);
      }
    }
    const auto done = std::move(one.done);
    running.erase(id);
    if (done) done(std::move(answer));
  }

  void start_due() {
    std::vector<std::uint64_t> due;
    for (const auto& [id, one] : running)
      if (one.transfer == 0 && one.due <= Clock::now()) due.push_back(id);
    for (const auto id : due) send(id);
  }

  void poll(Millis at_most) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
    start_due();
    const auto no_later = [&](Clock::time_point when) {
      at_most = std::clamp(std::chrono::ceil<Millis>(when - Clock::now()), Millis(0), at_most);
    };
    for (const auto& [_, one] : running)
      if (one.transfer == 0) no_later(one.due);
    if (!timers.empty()) no_later(timers.begin()->first);
    group.poll(at_most, stop);
    start_due();
    while (!timers.empty() && timers.begin()->first <= Clock::now()) {
      const auto what = std::move(timers.begin()->second);
      timers.erase(timers.begin());
      what();
    }
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
  }

  void wait(Millis delay) {
    const auto until = Clock::now() + delay;
    while (Clock::now() < until) poll(std::chrono::ceil<Millis>(until - Clock::now()));
  }

  EngineEndpoint endpoint;
  std::stop_token stop;
  std::function<void(const std::string&)> said;
  std::optional<EngineTunnel> tunnel;
  std::string socket, base = "http://localhost", prefix, version;
  HttpGroup group;
  std::map<std::uint64_t, Running> running;
  std::multimap<Clock::time_point, std::function<void()>> timers;
  std::uint64_t last = 0;
};

EngineApi::EngineApi(EngineEndpoint endpoint, std::stop_token stop,
                     std::function<void(const std::string&)> said)
    : impl_(std::make_unique<Impl>(std::move(endpoint), std::move(stop), std::move(said))) {
  impl_->agree();
}
EngineApi::~EngineApi() = default;

const EngineEndpoint& EngineApi::endpoint() const {
  return impl_->endpoint;
}

const std::string& EngineApi::version() const {
  return impl_->version;
}

std::uint64_t EngineApi::start(EngineRequest request, Done done) {
  const auto id = ++impl_->last;
  Impl::Running one;
  one.request = std::move(request);
  one.done = std::move(done);
  impl_->running.emplace(id, std::move(one));
  try {
    impl_->send(id);
  } catch (...) {
    impl_->running.erase(id);
    throw;
  }
  return id;
}

void EngineApi::cancel(std::uint64_t id) {
  const auto it = impl_->running.find(id);
  if (it == impl_->running.end()) return;
  if (it->second.transfer) impl_->group.cancel(it->second.transfer);
  impl_->running.erase(it);
}

void EngineApi::later(Millis delay, std::function<void()> what) {
  impl_->timers.emplace(Clock::now() + delay, std::move(what));
}

void EngineApi::poll(Millis at_most) {
  impl_->poll(at_most);
}

void EngineApi::wait(Millis delay) {
  impl_->wait(delay);
}

json EngineApi::call(EngineRequest request) {
  std::optional<EngineAnswer> got;
  const auto id = start(std::move(request), [&](EngineAnswer answer) { got = std::move(answer); });
  try {
    while (!got) poll(Millis(1'000));
  } catch (...) {
    cancel(id);
    throw;
  }
  if (got->error) throw *got->error;
  return std::move(got->body);
}

json EngineApi::get(const std::string& path, std::map<std::string, std::string> query) {
  EngineRequest request;
  request.path = path;
  request.query = std::move(query);
  return call(std::move(request));
}

std::optional<json> EngineApi::find(const std::string& path) {
  try {
    return get(path);
  } catch (const EngineError& e) {
    if (e.status == 404) return std::nullopt;
    throw;
  }
}

std::string engine_filters(const std::map<std::string, std::vector<std::string>>& filters) {
  return json(filters).dump();
}

void LogFrames::feed(std::string_view bytes, const Take& take) {
  rest_ += bytes;
  std::size_t from = 0;
  while (rest_.size() - from >= 8) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(rest_[from + i]));
    };
    const std::size_t size = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    if (rest_.size() - from - 8 < size) break;
    take(std::string_view(rest_).substr(from + 8, size), rest_[from] == 2);
    from += 8 + size;
  }
  rest_.erase(0, from);
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~')
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

}  // namespace slipway::oci
