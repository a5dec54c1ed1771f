#include "oci/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "sys/fd.h"
#include "sys/http.h"

namespace slipway::oci {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

Error interrupted() {
  return Error(ExitCode::interrupted, "interrupted");
}

// Runs `work` on a thread that stands in the namespace: setns moves one thread only, and that one ends at
// once.
template <typename F>
auto inside(const fs::path& netns, F&& work) -> decltype(work()) {
  if (netns.empty()) return work();
  decltype(work()) result{};
  std::exception_ptr failed;
  std::thread([&] {
    try {
      Fd fd(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd || ::setns(fd.get(), CLONE_NEWNET) != 0)
        throw_errno(fmt::format("enter the network namespace `{}`", netns.string()), errno);
      result = work();
    } catch (...) {
      failed = std::current_exception();
    }
  }).join();
  if (failed) std::rethrow_exception(failed);
  return result;
}

std::string lower_error(int number) {
  std::string text = std::strerror(number);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

ProbeAnswer connect_to(const std::string& address, int port, Millis timeout, const std::stop_token& stop) {
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &peer.sin_addr) != 1)
    throw Error(ExitCode::internal, fmt::format("`{}` is no IPv4 address", address));
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno("make a socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0)
    return {true, "connected"};
  if (errno != EINPROGRESS) return {false, lower_error(errno)};
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (stop.stop_requested()) throw interrupted();
    const auto left = std::chrono::ceil<Millis>(deadline - Clock::now());
    if (left <= Millis(0)) return {false, fmt::format("no answer within {}", format_duration(timeout))};
    pollfd wait{fd.get(), POLLOUT, 0};
    // Short slices: `stop` is looked at between them.
    if (::poll(&wait, 1, static_cast<int>(std::min(left, Millis(50)).count())) <= 0) continue;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? ProbeAnswer{true, "connected"} : ProbeAnswer{false, lower_error(error)};
  }
}

ProbeAnswer get(const Healthcheck& check, const std::string& address, const std::stop_token& stop) {
  HttpRequest request;
  request.url = fmt::format("http://{}:{}{}", address, check.port, check.path);
  request.headers["User-Agent"] = "slipway-probe";
  request.connect_timeout = request.timeout = request.stall_timeout = check.timeout;
  request.max_body = 1 << 20;
  try {
    HttpClient client;
    const auto response = client.send(request, stop);
    auto body = response.body.substr(0, response.body.find_first_of("\r\n"));
    if (body.size() > 200) body.resize(200);
    const bool healthy = response.status >= 200 && response.status < 400;
    return {healthy, healthy || body.empty() ? fmt::format("status {}", response.status)
                                             : fmt::format("status {}: {}", response.status, body)};
  } catch (const Error& e) {
    if (e.code() == ExitCode::interrupted || e.code() == ExitCode::internal) throw;
    return {false, e.message()};
  }
}

Millis duration(const json& check, const char* name, Millis otherwise) {
  const auto it = check.find(name);
  return it == check.end() ? otherwise : Millis(it->get<std::int64_t>());
}

// Sleeps until `deadline`; false when stop was requested meanwhile.
bool sleep_until(Clock::time_point deadline, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_until(lock, stop, deadline, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

std::optional<Healthcheck> Healthcheck::of_service(const json& service) {
  const auto it = service.find("healthcheck");
  if (it == service.end() || it->is_null()) return std::nullopt;
  const json& from = *it;
  Healthcheck check;
  check.port = from.value("port", service.value("port", 0));
  if (from.contains("http")) {
    check.kind = Kind::http;
    check.path = from.at("http").get<std::string>();
    if (!check.path.starts_with('/')) check.path.insert(0, "/");
  } else if (from.contains("tcp")) {
    check.kind = Kind::tcp;
    check.port = from.at("tcp").get<int>();
  } else {
    check.kind = Kind::test;
    check.test = from.at("test").get<std::vector<std::string>>();
    // Compose's own words: CMD runs the rest as it is, CMD-SHELL gives it to a shell.
    if (!check.test.empty() && check.test[0] == "CMD") check.test.erase(check.test.begin());
    if (check.test.size() == 2 && check.test[0] == "CMD-SHELL") check.test = {"/bin/sh", "-c", check.test[1]};
    if (check.test.size() == 1 && check.test[0] == "NONE") return std::nullopt;
    if (check.test.empty()) throw Error(ExitCode::usage, "a healthcheck's `test` names no command");
  }
  if (check.kind != Kind::test && (check.port < 1 || check.port > 65535))
    throw Error(ExitCode::usage, "a healthcheck needs a port")
        .hint("set `port` of the service or of its healthcheck");
  check.interval = duration(from, "interval_ms", check.interval);
  check.timeout = duration(from, "timeout_ms", check.timeout);
  check.start_period = duration(from, "start_period_ms", check.start_period);
  check.retries = from.value("retries", check.retries);
  return check;
}

std::string Healthcheck::str() const {
  if (kind == Kind::http) return fmt::format("GET :{}{}", port, path);
  if (kind == Kind::tcp) return fmt::format("tcp :{}", port);
  return fmt::format("`{}`", fmt::join(test, " "));
}

ProbeAnswer probe_once(const Healthcheck& check, const ProbeTarget& target, std::stop_token stop) {
  if (stop.stop_requested()) throw interrupted();
  switch (check.kind) {
    case Healthcheck::Kind::tcp:
      return inside(target.netns,
                    [&] { return connect_to(target.address, check.port, check.timeout, stop); });
    case Healthcheck::Kind::http:
      return inside(target.netns, [&] { return get(check, target.address, stop); });
    case Healthcheck::Kind::test:
      return target.run_inside(check.test, check.timeout, stop);
  }
  throw Error(ExitCode::internal, "a healthcheck of no known kind");
}

ProbeResult wait_healthy(const Healthcheck& check, const ProbeTarget& target,
                         const std::function<std::optional<std::string>()>& ended, std::stop_token stop,
                         const std::function<void(const ProbeAnswer&)>& on_answer) {
  // A service is mostly up long before a whole interval is over: ask often at first.
  Millis pause = std::min(check.interval, Millis(50));
  const auto start_over = Clock::now() + check.start_period;
  ProbeResult result;
  for (int failures = 0;;) {
    if (auto why = ended()) {
      result.last = std::move(*why);
      return result;
    }
    auto answer = probe_once(check, target, stop);
    ++result.asked;
    if (on_answer) on_answer(answer);
    result.last = std::move(answer.text);
    result.healthy = answer.healthy;
    if (result.healthy) return result;
    const bool early = pause < check.interval;
    if (!early && Clock::now() >= start_over && ++failures >= check.retries) return result;
    if (!sleep_until(Clock::now() + pause, stop)) throw interrupted();
    pause = std::min(pause * 2, check.interval);
  }
}

}  // namespace slipway::oci
