#include "plugins/swarm/task_log.h"

#include <set>

namespace slipway::swarm {

namespace {

constexpr Millis kRest{3'000}, kLimit{5'000}, kPatience{1'500};

oci::EngineRequest log_request(const json& task, int tail, bool go_on) {
  oci::EngineRequest request;
  request.path = "/tasks/" + task.value("ID", "") + "/logs";
  request.query = {{"stdout", "1"}, {"stderr", "1"}, {"tail", tail < 0 ? "all" : std::to_string(tail)}};
  if (go_on) request.query["follow"] = "1";
  return request;
}

void take(TaskLog& log, std::string_view bytes, Context& context) {
  log.frames.feed(bytes, [&](std::string_view text, bool) { log.rest += text; });
  std::size_t from = 0;
  for (std::size_t end; (end = log.rest.find('\n', from)) != std::string::npos; from = end + 1)
    context.log(fmt::format("{} | {}\n", log.title, log.rest.substr(from, end - from)));
  log.rest.erase(0, from);
}

}  // namespace

bool has_started(const json& task) {
  static const std::set<std::string> started = {"starting", "running", "complete", "shutdown", "failed"};
  return started.contains(task.value("/Status/State"_json_pointer, "")) &&
         !task.value("/Status/ContainerStatus/ContainerID"_json_pointer, "").empty();
}

std::shared_ptr<TaskLog> follow(oci::EngineApi& api, const json& task, const std::string& title,
                                Context& context, int tail, bool go_on) {
  auto log = std::make_shared<TaskLog>();
  log->title = title;
  auto request = log_request(task, tail, go_on);
  request.timeout = go_on ? Millis(0) : Millis(30'000);
  request.patience = kLimit;
  request.on_stream = [log, &context](std::string_view bytes) { take(*log, bytes, context); };
  log->request = api.start(std::move(request), [log, &context](oci::EngineAnswer answer) {
    if (!log->rest.empty()) context.log(fmt::format("{} | {}\n", log->title, std::exchange(log->rest, {})));
    if (answer.error)
      context.log(fmt::format("{} | (no log: {})\n", log->title, answer.error->message()), true);
    log->ended = true;
  });
  return log;
}

void finish(oci::EngineApi& api, const std::shared_ptr<TaskLog>& log) {
  if (!log) return;
  const auto until = std::chrono::steady_clock::now() + kRest;
  while (!log->ended && std::chrono::steady_clock::now() < until) api.poll(Millis(100));
  if (!log->ended) api.cancel(log->request);
}

std::string last_lines(oci::EngineApi& api, const json& task, int count) {
  auto request = log_request(task, count, false);
  request.timeout = kLimit;
  request.patience = kPatience;
  std::string out;
  oci::LogFrames frames;
  request.on_stream = [&](std::string_view bytes) {
    frames.feed(bytes, [&](std::string_view text, bool) { out += text; });
  };
  try {
    api.call(std::move(request));
  } catch (const oci::EngineError& e) {
    return fmt::format("(its log cannot be had: {})\n", e.message());
  }
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  return out;
}

}  // namespace slipway::swarm
