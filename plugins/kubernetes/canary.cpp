#include "plugins/kubernetes/canary.h"

#include "plugins/kubernetes/color.h"
#include "plugins/kubernetes/judge.h"

namespace slipway::kubernetes {

namespace {

constexpr auto kReplicas = "/spec/replicas";

bool uses_routes(const ServiceObjects& service) {
  return service.strategy.at("canary").value("traffic", "replicas") != "replicas";
}

}  // namespace

std::vector<ObjectKey> canary_keys(const ServiceObjects& next) {
  const auto canary = canary_of(next.workload, uses_routes(next));
  std::vector<ObjectKey> out = {key_of(canary)};
  if (!uses_routes(next)) return out;
  const auto own = keys_of({next});
  for (const auto& object : routes_to(next, canary, 0))
    if (!own.contains(key_of(object))) out.push_back(key_of(object));
  return out;
}

Canary::Canary(Holding& holding, const ServiceObjects& next, const ServiceObjects& before,
               fs::path project_dir)
    : holding_(holding),
      next_(next),
      before_(before),
      project_dir_(std::move(project_dir)),
      by_routes_(uses_routes(next)) {
  canary_.name = next.name;
  canary_.ready_within_ms = next.ready_within_ms;
  canary_.workload = canary_of(next.workload, by_routes_);
}

int Canary::replicas() const {
  const json::json_pointer at(kReplicas);
  // An autoscaler's number is the one that serves now.
  if (next_.workload.contains(at)) return next_.workload.at(at).get<int>();
  const auto now = holding_.cluster.live().find(key_of(before_.workload));
  return now == holding_.cluster.live().end() ? 1 : now->second.value(at, 1);
}

void Canary::take(const Share& share, int weight, const std::string& title) {
  auto& cluster = holding_.cluster;
  const json::json_pointer at(kReplicas);
  canary_.workload[at] = share.canary;
  cluster.write({canary_.workload});
  wait_for(cluster, {&canary_}, {}, holding_.check);
  if (by_routes_) {
    cluster.write(routes_to(next_, canary_.workload, weight));
    cluster.log(fmt::format("{}: {} of its requests go to {} new pod{}", title, fmt::format("{}%", weight),
                            share.canary, share.canary == 1 ? "" : "s"));
    return;
  }
  if (before_.workload.contains(at)) {  // else an autoscaler counts its pods
    auto stable = before_.workload;
    stable[at] = share.stable;
    cluster.write({stable});
  }
  cluster.log(fmt::format("{}: {} of {} pods are new ({:.0f}% of the requests)", title, share.canary,
                          share.stable + share.canary, share.part()));
}

void Canary::run() {
  auto& cluster = holding_.cluster;
  const auto& rules = next_.strategy.at("canary");
  cluster.claim(canary_keys(next_));
  const auto& steps = rules.at("steps");
  const int all = replicas();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const int weight = steps[i].at("weight").get<int>();
    const auto title =
        fmt::format("canary of `{}`: step {} of {}, {}%", next_.name, i + 1, steps.size(), weight);
    auto share = share_of(all, weight);
    if (by_routes_) share = {all, std::max(1, all * std::min(weight, 100) / 100)};
    take(share, weight, title);
    cluster.save_state();
    if (holding_.promoted) continue;
    const bool manual = steps[i].value("manual", false);
    const auto time = Millis(steps[i].value("hold_ms", std::int64_t{0}));
    if (!manual && time.count() == 0) continue;
    Subject subject{key_of(canary_.workload).name, rules.value("port", 0),
                    [&] {
                      std::vector<std::string> out;
                      for (const auto& [name, pod] : cluster.pods())
                        if (selects(canary_.workload.value("/spec/selector/matchLabels"_json_pointer, json()),
                                    pod.value("/metadata/labels"_json_pointer, json())) &&
                            is_ready(pod))
                          out.push_back(name);
                      return out;
                    },
                    project_dir_};
    Analysis analysis(cluster, rules.value("checks", json::array()), std::move(subject));
    hold(holding_, {title, &canary_, manual ? std::nullopt : std::optional(time), false}, analysis);
  }
  cluster.set_phase("");
}

void Canary::remove() {
  auto& cluster = holding_.cluster;
  std::vector<ObjectKey> gone;
  for (const auto& key : canary_keys(next_))
    if (cluster.state().objects.contains(key)) gone.push_back(key);
  if (by_routes_) {
    // Routes first: nobody is sent to pods that end.
    std::vector<json> own;
    for (const auto& object : objects_of(next_))
      if (object.value("kind", "") == "HTTPRoute") own.push_back(object);
    cluster.write(own);
  }
  cluster.remove(gone);
}

}  // namespace slipway::kubernetes
