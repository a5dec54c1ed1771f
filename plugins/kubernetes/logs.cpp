// The action `logs`: what the containers of each pod wrote, and with `follow` what comes, of new pods too.
#include "base/suggest.h"
#include "plugins/kubernetes/actions.h"

namespace slipway::kubernetes {

namespace {

// Lines of one container as they come.
struct Stream {
  std::string pod, rest;
  bool ended = false;
  void take(std::string_view bytes, Context& context) {
    rest += bytes;
    std::size_t from = 0;
    for (std::size_t end; (end = rest.find('\n', from)) != std::string::npos; from = end + 1)
      context.log(fmt::format("{} | {}\n", pod, rest.substr(from, end - from)));
    rest.erase(0, from);
  }
  void finish(Context& context) {
    if (!rest.empty()) context.log(fmt::format("{} | {}\n", pod, rest));
    rest.clear();
    ended = true;
  }
};

bool has_started(const json& pod) {
  for (const auto& one : pod.value("/status/containerStatuses"_json_pointer, json::array()))
    if (one.contains("/state/running"_json_pointer) || one.contains("/state/terminated"_json_pointer))
      return true;
  return false;
}

}  // namespace

Outcome logs(Api& api, const Place& place, const json& params, Context& context) {
  const auto services = params.value("services", std::vector<std::string>{});
  const bool follow = params.value("follow", false);
  const auto count = params.value("tail", 100);
  Records records(api, place);
  const auto state = records.load();
  const auto release = state.release.empty() ? std::nullopt : records.release(state.release);
  std::vector<std::string> names;
  if (release)
    for (const auto& service : release->services) names.push_back(service.name);
  for (const auto& service : services)
    if (std::find(names.begin(), names.end(), service) == names.end())
      throw Error(ExitCode::usage, fmt::format("no service `{}` runs in `{}`", service, place.title()))
          .hint(suggestion_hint(service, names));
  const auto collection = "/api/v1/namespaces/" + url_encoded(place.name_space) + "/pods";
  std::map<std::string, std::shared_ptr<Stream>> streams;
  const auto open = [&](const json& pod) {
    const auto name = pod.value("/metadata/name"_json_pointer, "");
    const auto service = pod.value("/metadata/labels/app.kubernetes.io~1name"_json_pointer, "");
    if (!services.empty() && std::find(services.begin(), services.end(), service) == services.end()) return;
    if (streams.contains(name) || !has_started(pod)) return;
    auto stream = streams[name] = std::make_shared<Stream>(Stream{name, "", false});
    Request request;
    request.path = collection + "/" + url_encoded(name) + "/log";
    request.query = {{"container", service}, {"tailLines", std::to_string(count)}};
    if (follow) request.query["follow"] = "true";
    request.accept = "*/*";
    request.timeout = follow ? Millis(0) : Millis(30'000);
    request.on_stream = [stream, &context](std::string_view bytes) { stream->take(bytes, context); };
    api.start(std::move(request), [stream, &context](Answer answer) {
      stream->finish(context);
      if (answer.error)
        context.log(fmt::format("{} | (no log: {})\n", stream->pod, answer.error->message()), true);
    });
  };
  const std::map<std::string, std::string> query = {
      {"labelSelector", fmt::format("app.kubernetes.io/part-of={},slipway.dev/environment={}", place.project,
                                    place.environment)}};
  bool news = false;
  try {
    Watch pods(api, collection, query, [&] { news = true; });
    while (!pods.listed()) {
      if (pods.error()) throw *pods.error();
      api.poll(Millis(1'000));
    }
    for (;;) {
      if (std::exchange(news, false))
        for (const auto& [_, pod] : pods.objects()) open(pod);
      if (!follow &&
          std::all_of(streams.begin(), streams.end(), [](const auto& one) { return one.second->ended; }))
        return Outcome::success();
      api.poll(Millis(1'000));
    }
  } catch (const Error& e) {
    if (e.code() != ExitCode::interrupted || !follow) throw;
    return Outcome::success();
  }
}

}  // namespace slipway::kubernetes
