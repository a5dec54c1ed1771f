// The action `logs`: what the containers of each pod wrote, and with `follow` what comes, of new pods too.
#include "base/suggest.h"
#include "plugins/kubernetes/actions.h"
#include "plugins/kubernetes/pod_log.h"

namespace slipway::kubernetes {

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
  std::map<std::string, std::shared_ptr<PodLog>> shown;
  const auto open = [&](const json& pod) {
    const auto name = pod.value("/metadata/name"_json_pointer, "");
    const auto service = pod.value(json::json_pointer("/metadata/labels") / kServiceLabel, "");
    const auto is_wanted = [&](const std::string& one) {
      return std::find(services.begin(), services.end(), one) != services.end();
    };
    if (!services.empty() && !is_wanted(service) && !is_wanted(service_of(pod))) return;
    if (!shown.contains(name) && has_started(pod))
      shown[name] = kubernetes::follow(api, place, pod, name, context, count, follow);
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
          std::all_of(shown.begin(), shown.end(), [](const auto& one) { return one.second->ended; }))
        return Outcome::success();
      api.poll(Millis(1'000));
    }
  } catch (const Error& e) {
    if (e.code() != ExitCode::interrupted || !follow) throw;
    return Outcome::success();
  }
}

}  // namespace slipway::kubernetes
