#include "plugins/kubernetes/pod_log.h"

namespace slipway::kubernetes {

namespace {

constexpr Millis kRest{3'000};
constexpr Millis kPatience{5'000};

void take(PodLog& log, std::string_view bytes, Context& context) {
  log.rest += bytes;
  std::size_t from = 0;
  for (std::size_t end; (end = log.rest.find('\n', from)) != std::string::npos; from = end + 1)
    context.log(fmt::format("{} | {}\n", log.title, log.rest.substr(from, end - from)));
  log.rest.erase(0, from);
}

}  // namespace

bool has_started(const json& pod) {
  for (const auto& one : pod.value("/status/containerStatuses"_json_pointer, json::array()))
    if (one.contains("/state/running"_json_pointer) || one.contains("/state/terminated"_json_pointer))
      return true;
  return false;
}

std::shared_ptr<PodLog> follow(Api& api, const Place& place, const json& pod, const std::string& title,
                               Context& context, int tail, bool go_on) {
  auto log = std::make_shared<PodLog>(PodLog{title, "", false});
  Request request;
  request.path = fmt::format("/api/v1/namespaces/{}/pods/{}/log", url_encoded(place.name_space),
                             url_encoded(pod.value("/metadata/name"_json_pointer, "")));
  request.query["container"] = pod.value("/spec/containers/0/name"_json_pointer, "");
  if (tail >= 0) request.query["tailLines"] = std::to_string(tail);
  if (go_on) request.query["follow"] = "true";
  request.accept = "*/*";
  request.timeout = go_on ? Millis(0) : Millis(30'000);
  request.patience = kPatience;
  request.on_stream = [log, &context](std::string_view bytes) { take(*log, bytes, context); };
  api.start(std::move(request), [log, &context](Answer answer) {
    if (!log->rest.empty()) context.log(fmt::format("{} | {}\n", log->title, std::exchange(log->rest, {})));
    if (answer.error)
      context.log(fmt::format("{} | (no log: {})\n", log->title, answer.error->message()), true);
    log->ended = true;
  });
  return log;
}

void finish(Api& api, const std::shared_ptr<PodLog>& log) {
  if (!log) return;
  auto over = std::make_shared<bool>(false);
  api.later(kRest, [over] { *over = true; });
  while (!log->ended && !*over) api.poll(Millis(1'000));
}

}  // namespace slipway::kubernetes
