#include "plugins/kubernetes/analysis.h"

#include <poll.h>
#include <unistd.h>

#include <cmath>

#include "base/clock.h"
#include "sys/process.h"

namespace slipway::kubernetes {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Millis kProbeLimit{5'000}, kCommandLimit{60'000};
constexpr int kNoData = 75;  // EX_TEMPFAIL of sysexits.h: a command that cannot tell
constexpr std::size_t kMostOutput = 64 << 10;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// The path, when an address means the new version's own pods: "/up", "http://{{canary}}/up".
std::optional<std::string> own_path(const std::string& address, int& port) {
  if (address.starts_with('/')) return address;
  for (const char* own : {"http://{{canary}}", "http://{{preview}}"}) {
    if (!address.starts_with(own)) continue;
    auto rest = address.substr(std::string_view(own).size());
    if (rest.starts_with(':')) {
      port = std::atoi(rest.c_str() + 1);
      rest = rest.substr(std::min(rest.find('/'), rest.size()));
    }
    return rest.empty() ? "/" : rest;
  }
  return std::nullopt;
}

// Numbers of an instant query's answer (prometheus.io/docs/prometheus/latest/querying/api).
std::vector<double> samples_of(const json& answer) {
  std::vector<double> out;
  const auto add = [&](const json& pair) {
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_string()) return;
    const double value = std::strtod(pair[1].get<std::string>().c_str(), nullptr);
    if (std::isfinite(value)) out.push_back(value);
  };
  const auto result = answer.value("/data/result"_json_pointer, json::array());
  if (answer.value("/data/resultType"_json_pointer, "") == "scalar") {
    add(result);
  } else {
    for (const auto& one : result)
      if (one.is_object() && one.contains("value")) add(one["value"]);
  }
  return out;
}

std::string last_line(const std::string& output) {
  const auto end = output.find_last_not_of("\r\n");
  if (end == std::string::npos) return "";
  const auto begin = output.rfind('\n', end);
  return output.substr(begin == std::string::npos ? 0 : begin + 1,
                       end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

}  // namespace

struct Analysis::Check {
  enum class Seen { nothing, good, bad, no_data };

  std::string http, prometheus, server;
  std::vector<std::string> command;
  std::optional<double> above, below;
  int failures = 3;
  Millis interval{10'000};

  std::string title;
  Clock::time_point due = Clock::now();
  bool asked = false;
  Seen last = Seen::nothing;
  int in_a_row = 0;
  std::string what;  // of the last answer
  std::size_t turn = 0;
  std::unique_ptr<Child> child;
  std::string output;
  Clock::time_point started;

  void saw(Seen seen, std::string text) {
    asked = false;
    due = Clock::now() + interval;
    last = seen;
    what = std::move(text);
    if (seen == Seen::bad)
      ++in_a_row;
    else if (seen == Seen::good)
      in_a_row = 0;
  }

  // Reads what it wrote without waiting.
  void drain() {
    char buffer[4096];
    for (const int fd : {child->out(), child->err()}) {
      for (;;) {
        pollfd one{fd, POLLIN, 0};
        if (::poll(&one, 1, 0) <= 0) break;
        const auto count = ::read(fd, buffer, sizeof buffer);
        if (count <= 0) break;
        if (output.size() < kMostOutput) output.append(buffer, static_cast<std::size_t>(count));
      }
    }
  }

  void look_at_child() {
    drain();
    const auto status = child->poll();
    if (!status) {
      if (Clock::now() - started < kCommandLimit) return;
      child.reset();
      return saw(Seen::no_data, fmt::format("takes longer than {}", format_duration(kCommandLimit)));
    }
    drain();
    child.reset();
    const auto said = last_line(std::exchange(output, {}));
    const auto text = status->str() + (said.empty() ? "" : ": " + said);
    if (status->ok()) return saw(Seen::good, text);
    saw(status->signal == 0 && status->code == kNoData ? Seen::no_data : Seen::bad, text);
  }

  void judge(const std::vector<double>& samples) {
    if (samples.empty()) return saw(Seen::no_data, "the query has no data");
    for (const double value : samples) {
      const auto text = fmt::format("{:g}", value);
      if (above && value > *above) return saw(Seen::bad, fmt::format("{} is above {:g}", text, *above));
      if (below && value < *below) return saw(Seen::bad, fmt::format("{} is below {:g}", text, *below));
    }
    saw(Seen::good, fmt::format("{:g}", samples[0]));
  }
};

Analysis::Analysis(Cluster& cluster, const json& checks, Subject subject)
    : cluster_(cluster), subject_(std::move(subject)) {
  for (const auto& from : checks) {
    auto check = std::make_shared<Check>();
    check->http = from.value("http", "");
    check->prometheus = replaced(from.value("prometheus", ""), "{{canary}}", subject_.workload);
    check->server = from.value("server", "");
    for (const auto& word : from.value("command", std::vector<std::string>{}))
      check->command.push_back(replaced(word, "{{canary}}", subject_.workload));
    if (from.contains("above")) check->above = from["above"].get<double>();
    if (from.contains("below")) check->below = from["below"].get<double>();
    check->failures = from.value("failures", check->http.empty() ? 1 : 3);
    check->interval = Millis(from.value("interval_ms", std::int64_t{10'000}));
    check->title = !check->http.empty()         ? check->http
                   : !check->prometheus.empty() ? "prometheus: " + check->prometheus
                                                : fmt::format("{}", fmt::join(check->command, " "));
    checks_.push_back(std::move(check));
  }
}

Analysis::~Analysis() = default;

void Analysis::tick() {
  for (const auto& check : checks_) {
    if (check->child) check->look_at_child();
    if (!check->asked && Clock::now() >= check->due) {
      check->asked = true;
      ask(check);
    }
  }
  if (http_.running() > 0) http_.poll(Millis(0));
}

void Analysis::ask(const std::shared_ptr<Check>& check) {
  if (!check->http.empty()) return ask_pod(check);
  if (!check->prometheus.empty()) return ask_prometheus(check);
  ask_command(check);
}

// Through the API server, which reaches pods from wherever slipway runs.
void Analysis::ask_pod(const std::shared_ptr<Check>& check) {
  int port = subject_.port;
  const auto path = own_path(check->http, port);
  if (!path) return ask_url(check, check->http);
  const auto pods = subject_.pods();
  if (pods.empty()) return check->saw(Check::Seen::no_data, "no pod is ready to be asked");
  const auto& pod = pods[check->turn++ % pods.size()];
  Request request;
  request.path = fmt::format("/api/v1/namespaces/{}/pods/{}:{}/proxy{}",
                             url_encoded(cluster_.place().name_space), url_encoded(pod), port, *path);
  request.text = true;
  request.accept = "*/*";
  request.timeout = kProbeLimit;
  request.patience = Millis(0);
  cluster_.api().start(std::move(request), [check, pod, begin = Clock::now()](Answer answer) {
    if (!answer.error) return check->saw(Check::Seen::good, "answers");
    const auto& error = *answer.error;
    if (error.status == 0 && Clock::now() - begin >= kProbeLimit)
      return check->saw(Check::Seen::bad,
                        fmt::format("{} does not answer within {}", pod, format_duration(kProbeLimit)));
    // The API server's own refusal, or no word from it, says nothing of the pod.
    const bool refused = error.reason == "Forbidden" || error.reason == "NotFound" ||
                         error.reason == "Unauthorized" || error.status == 0;
    if (refused)
      return check->saw(Check::Seen::no_data,
                        error.message() + (error.hint().empty() ? "" : " (" + error.hint() + ")"));
    const auto said = error.body.value("message", "");
    check->saw(Check::Seen::bad,
               fmt::format("{} answers {}{}", pod, error.status, said.empty() ? "" : ": " + said));
  });
}

void Analysis::ask_url(const std::shared_ptr<Check>& check, const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.timeout = kProbeLimit;
  http_.start(std::move(request), [check](HttpResult result) {
    if (result.error) return check->saw(Check::Seen::bad, result.error->message());
    const int status = result.response.status;
    check->saw(status >= 200 && status < 400 ? Check::Seen::good : Check::Seen::bad,
               fmt::format("answers {}", status));
  });
}

void Analysis::ask_prometheus(const std::shared_ptr<Check>& check) {
  HttpRequest request;
  request.url = check->server + "/api/v1/query?query=" + url_encoded(check->prometheus);
  request.timeout = kProbeLimit;
  http_.start(std::move(request), [check](HttpResult result) {
    if (result.error) return check->saw(Check::Seen::no_data, result.error->message());
    const auto answer = json::parse(result.response.body, nullptr, false);
    if (!answer.is_object() || answer.value("status", "") != "success")
      return check->saw(Check::Seen::no_data,
                        fmt::format("the server answers {} {}", result.response.status,
                                    answer.is_object() ? answer.value("error", "") : ""));
    check->judge(samples_of(answer));
  });
}

void Analysis::ask_command(const std::shared_ptr<Check>& check) {
  Command command;
  command.argv = check->command;
  command.cwd = subject_.project_dir;
  command.env["SLIPWAY_CANARY"] = subject_.workload;
  command.env["SLIPWAY_NAMESPACE"] = cluster_.place().name_space;
  check->started = Clock::now();
  try {
    check->child = std::make_unique<Child>(command);
    check->child->close_in();
  } catch (const Error& e) {
    check->saw(Check::Seen::no_data, e.message());
  }
}

std::string Analysis::broken() const {
  for (const auto& check : checks_)
    if (check->in_a_row >= check->failures)
      return fmt::format("`{}` fails{}: {}", check->title,
                         check->in_a_row > 1 ? fmt::format(" {} times in a row", check->in_a_row) : "",
                         check->what);
  return "";
}

std::string Analysis::missing() const {
  for (const auto& check : checks_)
    if (check->last == Check::Seen::no_data || check->last == Check::Seen::nothing)
      return check->last == Check::Seen::nothing ? fmt::format("the first answer of `{}`", check->title)
                                                 : fmt::format("`{}`: {}", check->title, check->what);
  return "";
}

bool Analysis::passed() const {
  for (const auto& check : checks_)
    if (check->last != Check::Seen::good) return false;
  return true;
}

}  // namespace slipway::kubernetes
