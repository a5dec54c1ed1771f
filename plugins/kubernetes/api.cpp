#include "plugins/kubernetes/api.h"

#include <cmath>

#include "base/clock.h"
#include "plugins/kubernetes/expiry.h"
#include "plugins/kubernetes/login.h"

namespace slipway::kubernetes {

namespace {

using Clock = std::chrono::steady_clock;

// A server that never answered is given up soon; one that did is waited for, as for a control plane that
// restarts.
constexpr Millis kFirstPatience{4'000}, kPatience{60'000};
constexpr Millis kFirstPause{200}, kLongestPause{8'000};
constexpr int kMostLogins = 2;  // of one request, after a 401
constexpr std::uint64_t kMaxAnswer = 256ull << 20;

std::string query_of(const std::map<std::string, std::string>& query) {
  std::string out;
  for (const auto& [name, value] : query)
    out += (out.empty() ? "?" : "&") + url_encoded(name) + "=" + url_encoded(value);
  return out;
}

std::string shown(std::string text) {
  constexpr std::size_t kMost = 600;
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  if (text.size() > kMost) text = text.substr(0, kMost) + "…";
  return text;
}

ExitCode code_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return ExitCode::auth;
    case 400:
    case 422:
      return ExitCode::usage;
    case 409:
      return ExitCode::denied;
    default:
      return ExitCode::unavailable;
  }
}

// "pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "shop"": the rule
// that would help, in the words of a Role.
std::string role_hint(const std::string& message) {
  const auto between = [&](const std::string& from, const char* to) -> std::string {
    const auto at = message.find(from);
    if (at == std::string::npos) return "";
    const auto begin = at + from.size();
    return message.substr(begin, message.find(to, begin) - begin);
  };
  const auto verb = between("cannot ", " "), resource = between("resource \"", "\"");
  if (verb.empty() || resource.empty()) return "";
  const bool cluster = message.find("at the cluster scope") != std::string::npos;
  return fmt::format(
      "a {} with this rule would help: {{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"{}\"]}}",
      cluster ? "ClusterRole" : "Role", between("in API group \"", "\""), resource, verb);
}

// Server-side apply says 500 to what it cannot merge (before 1.21 also to a port without `protocol`): that
// stays so.
bool is_about_the_object(const HttpResponse& response) {
  return response.status == 500 &&
         response.body.find("failed to create typed patch object") != std::string::npos;
}

ApiError refusal(const Request& request, const HttpResponse& response, const Connection& connection) {
  auto body = json::parse(response.body, nullptr, false);
  const bool told = body.is_object() && body.value("kind", "") == "Status";
  const auto message = told ? body.value("message", "") : "";
  const auto reason = told ? body.value("reason", "") : "";
  const int status = response.status;
  const auto where = connection.describe();
  if (!told) body = json::object();
  std::string text;
  std::string hint;
  if (status == 401) {
    text = fmt::format("the {} does not know this user", where);
    const auto over = expired(connection, now_micros());
    hint = over.empty() ? "the token or certificate of the kubeconfig may have expired: log in again"
                        : over + ": log in again";
  } else if (!told) {
    const bool page = response.header("content-type").find("html") != std::string::npos;
    text = fmt::format("the {} answers {} to {} {}{}", where, status, request.method, request.path,
                       page ? " with a web page" : "");
    if (page) hint = "is `server` of the kubeconfig the API server, or a proxy before it?";
  } else if (status == 403) {
    text = shown(message);
    hint = role_hint(message);
  } else {
    text = shown(message.empty() ? fmt::format("{} {}", status, reason) : message);
  }
  auto code = is_about_the_object(response) ? ExitCode::usage : code_of(status);
  if (status == 404 && body.value("/details/kind"_json_pointer, "") == "namespaces") {
    const auto name = body.value("/details/name"_json_pointer, "");
    code = ExitCode::usage;
    text = fmt::format("there is no namespace `{}`", name);
    hint = fmt::format(
        "make it with `kubectl create namespace {}`, say `create_namespace: true` under `target`, or name "
        "another",
        name);
  }
  Error error(code, text);
  error.hint(hint);
  if (code != ExitCode::usage && (status == 429 || status >= 500)) error.retryable();
  return ApiError(std::move(error), status, reason, std::move(body));
}

// Of the server, or chosen here; never shorter than it asks.
Millis pause_of(int tries, const HttpResponse& response) {
  auto pause = std::min(kFirstPause * (1 << std::min(tries, 8)), kLongestPause);
  if (const auto after = response.header("retry-after"); !after.empty()) {
    char* end = nullptr;
    const auto seconds = std::strtol(after.c_str(), &end, 10);
    if (end && *end == '\0' && seconds >= 0)
      pause = std::max(pause, Millis(std::min(seconds, 3'600L) * 1000));
    else if (const auto date = parse_http_date(after))
      pause = std::max(pause, Millis((*date - now_micros() / 1'000'000) * 1000));
  }
  return pause;
}

}  // namespace

struct Api::Impl {
  struct Running {
    Request request;
    Done done;
    std::uint64_t transfer = 0;  // 0: waits until `due`
    Clock::time_point due, begin = Clock::now();
    int tries = 0, logins = 0, login = 0;
  };

  Impl(Connection c, std::stop_token s, std::function<void(const std::string&)> on_fault)
      : connection(std::move(c)), login(connection), stop(std::move(s)), said(std::move(on_fault)) {}

  void send(std::uint64_t id) {
    auto& one = running.at(id);
    HttpRequest http;
    http.method = one.request.method;
    http.url = connection.server + one.request.path + query_of(one.request.query);
    http.headers["Accept"] = one.request.accept;
    http.timeout = one.request.timeout;
    http.stall_timeout = Millis(0);
    http.max_body = kMaxAnswer;
    http.http2 = true;
    http.on_body = one.request.on_stream;
    if (!one.request.body.is_null()) {
      http.headers["Content-Type"] = one.request.content_type;
      http.body = one.request.body.dump();
    }
    one.login = login.put_on(http);
    one.transfer =
        group.start(std::move(http), [this, id](HttpResult result) { ended(id, std::move(result)); });
  }

  void ended(std::uint64_t id, HttpResult result) {
    auto& one = running.at(id);
    const int status = result.response.status;
    if (!result.error) answered = true;
    if (!result.error && status == 401 && one.logins < kMostLogins && login.renew(one.login)) {
      ++one.logins;
      return again(id, Millis(0));
    }
    const bool busy = !result.error && !is_about_the_object(result.response) &&
                      (status == 429 || status == 503 || status == 504 || status == 500 || status == 502);
    if ((result.error && result.error->is_retryable()) || busy) {
      // A create that broke off may have been done: its caller looks. 429 and 503 were not done.
      const bool safe = one.request.method != "POST" || status == 429 || status == 503 ||
                        (result.error && result.error->message().find("refused") != std::string::npos);
      const auto pause = pause_of(one.tries, result.response);
      const auto patience = one.request.patience.value_or(answered ? kPatience : kFirstPatience);
      if (safe && !one.request.on_stream && Clock::now() + pause - one.begin < patience) {
        if (said && one.tries == 1)
          said(fmt::format("{}; trying again",
                           result.error ? result.error->message()
                                        : refusal(one.request, result.response, connection).message()));
        ++one.tries;
        return again(id, pause);
      }
    }
    Answer answer;
    if (result.error) {
      Error error = *result.error;
      if (error.code() == ExitCode::timeout)
        error = Error(ExitCode::unavailable, error.message()).hint(error.hint());
      error.trail(fmt::format("while asking the {}", connection.describe()));
      answer.error = ApiError(std::move(error), 0, "", json::object());
    } else if (status < 200 || status > 299) {
      answer.error = refusal(one.request, result.response, connection);
    } else if (one.request.text) {
      answer.body = result.response.body;
    } else if (!one.request.on_stream) {
      answer.body = json::parse(result.response.body, nullptr, false);
      if (!answer.body.is_object())
        answer.error = ApiError(
            Error(ExitCode::unavailable, fmt::format("the {} does not answer in JSON", connection.describe()))
                .hint("is `server` of the kubeconfig the API server, or a proxy before it?"),
            status, "", json::object());
    }
    const auto done = std::move(one.done);
    running.erase(id);
    if (done) done(std::move(answer));
  }

  void again(std::uint64_t id, Millis pause) {
    auto& one = running.at(id);
    one.transfer = 0;
    one.due = Clock::now() + pause;
    ++waiting;
  }

  void start_due() {
    if (waiting == 0) return;
    const auto now = Clock::now();
    std::vector<std::uint64_t> due;
    for (const auto& [id, one] : running)
      if (one.transfer == 0 && one.due <= now) due.push_back(id);
    for (const auto id : due) {
      --waiting;
      send(id);
    }
  }

  void poll(Millis at_most) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
    start_due();
    if (waiting > 0) {
      for (const auto& [_, one] : running)
        if (one.transfer == 0)
          at_most = std::clamp(std::chrono::ceil<Millis>(one.due - Clock::now()), Millis(0), at_most);
    }
    if (!timers.empty())
      at_most =
          std::clamp(std::chrono::ceil<Millis>(timers.begin()->first - Clock::now()), Millis(0), at_most);
    group.poll(at_most, stop);
    start_due();
    while (!timers.empty() && timers.begin()->first <= Clock::now()) {
      const auto what = std::move(timers.begin()->second);
      timers.erase(timers.begin());
      what();
    }
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
  }

  Connection connection;
  Login login;
  std::stop_token stop;
  std::function<void(const std::string&)> said;
  HttpGroup group;
  std::map<std::uint64_t, Running> running;
  std::multimap<Clock::time_point, std::function<void()>> timers;
  std::uint64_t last = 0;
  std::size_t waiting = 0;  // those with transfer 0
  bool answered = false;
  std::optional<json> version;
};

Api::Api(Connection connection, std::stop_token stop, std::function<void(const std::string&)> said)
    : impl_(std::make_unique<Impl>(std::move(connection), std::move(stop), std::move(said))) {}
Api::~Api() = default;

const Connection& Api::connection() const {
  return impl_->connection;
}

std::uint64_t Api::start(Request request, Done done) {
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

void Api::cancel(std::uint64_t id) {
  const auto it = impl_->running.find(id);
  if (it == impl_->running.end()) return;
  if (it->second.transfer)
    impl_->group.cancel(it->second.transfer);
  else
    --impl_->waiting;
  impl_->running.erase(it);
}

std::size_t Api::running() const {
  return impl_->running.size();
}

void Api::later(Millis delay, std::function<void()> what) {
  impl_->timers.emplace(Clock::now() + delay, std::move(what));
}

void Api::poll(Millis at_most) {
  impl_->poll(at_most);
}

void Api::finish() {
  while (running() > 0) poll(Millis(1'000));
}

json Api::call(Request request) {
  std::optional<Answer> got;
  const auto id = start(std::move(request), [&](Answer answer) { got = std::move(answer); });
  try {
    while (!got) poll(Millis(1'000));
  } catch (...) {
    cancel(id);
    throw;
  }
  if (got->error) throw *got->error;
  return std::move(got->body);
}

std::optional<json> Api::find(const std::string& path) {
  try {
    Request request;
    request.path = path;
    return call(std::move(request));
  } catch (const ApiError& e) {
    if (e.status == 404) return std::nullopt;
    throw;
  }
}

json Api::version() {
  if (!impl_->version) {
    Request request;
    request.path = "/version";
    impl_->version = call(std::move(request));
  }
  return *impl_->version;
}

std::string url_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~')
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

}  // namespace slipway::kubernetes
