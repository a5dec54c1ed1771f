#include "plugins/kubernetes/blue_green.h"

#include "plugins/kubernetes/color.h"
#include "plugins/kubernetes/judge.h"

namespace slipway::kubernetes {

namespace {

// The Services of a version that has no colour yet, kept to its pods: they would mean the new ones too.
std::vector<json> pinned(const Cluster& cluster, const ServiceObjects& before) {
  if (!before.color.empty()) return before.traffic;
  const auto now = cluster.workload(before.workload);
  const auto hash = now.is_null() ? "" : newest_hash(now, cluster.replica_sets());
  std::vector<json> out;
  if (hash.empty()) return out;
  const auto labels = before.workload.value("/spec/template/metadata/labels"_json_pointer, json());
  for (const auto& object : before.config) {
    if (object.value("kind", "") != "Service" ||
        !selects(object.value("/spec/selector"_json_pointer, json()), labels))
      continue;
    out.push_back(object);
    out.back()["spec"]["selector"]["pod-template-hash"] = hash;
  }
  return out;
}

}  // namespace

BlueGreen::BlueGreen(Holding& holding, const ServiceObjects& next, const ServiceObjects& before,
                     fs::path project_dir)
    : holding_(holding), next_(next), before_(before), project_dir_(std::move(project_dir)) {}

json BlueGreen::preview() const {
  if (!next_.strategy.at("blue_green").value("preview", false) || next_.traffic.empty()) return nullptr;
  auto out = next_.traffic[0];
  out["metadata"]["name"] = key_of(out).name + "-preview";
  return out;
}

void BlueGreen::check() {
  auto& cluster = holding_.cluster;
  const auto& rules = next_.strategy.at("blue_green");
  const auto checks = rules.value("checks", json::array());
  const bool manual = rules.value("manual", false);
  if (checks.empty() && !manual) return;
  const auto match = next_.workload.value("/spec/selector/matchLabels"_json_pointer, json());
  Subject subject{key_of(next_.workload).name, rules.value("port", 0),
                  [&cluster, match] {
                    std::vector<std::string> out;
                    for (const auto& [name, pod] : cluster.pods())
                      if (selects(match, pod.value("/metadata/labels"_json_pointer, json())) && is_ready(pod))
                        out.push_back(name);
                    return out;
                  },
                  project_dir_};
  Analysis analysis(cluster, checks, std::move(subject));
  const auto title = fmt::format("blue-green of `{}`: {} is checked", next_.name, next_.color);
  hold(holding_, {title, &next_, std::nullopt, !manual}, analysis);
}

void BlueGreen::run() {
  auto& cluster = holding_.cluster;
  if (before_.color.empty()) cluster.write(pinned(cluster, before_));
  cluster.write({next_.workload});
  const auto view = preview();
  if (!view.is_null()) {
    cluster.claim({key_of(view)});
    cluster.write({view});
  }
  cluster.save_state();
  wait_for(cluster, {&next_}, {next_.name}, holding_.check);
  check();
  cluster.write(next_.traffic);
  cluster.log(fmt::format("{}: requests go to {} now", next_.name, next_.color));
  cluster.save_state();
  const auto keep = Millis(next_.strategy.at("blue_green").value("keep_old_ms", std::int64_t{0}));
  if (keep.count() > 0) {
    Analysis none(cluster, json::array(), {});
    const auto old = before_.color.empty() ? std::string("the version before") : before_.color;
    hold(holding_, {fmt::format("blue-green of `{}`: {} is kept", next_.name, old), &next_, keep, false},
         none);
  }
  cluster.set_phase("");
  if (!view.is_null()) cluster.remove({key_of(view)});
}

void BlueGreen::switch_back(Cluster& cluster, const ServiceObjects& next, const ServiceObjects& before) {
  cluster.write(pinned(cluster, before));
  if (cluster.state().objects.contains(key_of(next.workload)))
    cluster.remove({key_of(next.workload)}, before.color.empty());
}

}  // namespace slipway::kubernetes
