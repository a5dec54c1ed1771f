#include "plugins/kubernetes/waiting.h"

#include "base/clock.h"
#include "plugins/kubernetes/evidence.h"
#include "plugins/kubernetes/judge.h"

namespace slipway::kubernetes {

namespace {

using Clock = std::chrono::steady_clock;

struct Waiting {
  Judge judge;
  std::optional<Clock::time_point> healthy_since;
  bool done = false;
};

void add(std::string& progress, const std::string& text) {
  progress += (progress.empty() ? "" : "; ") + text;
}

constexpr const char* kWrongKind = "the image is for another kind of processor: exec format error";

// A runtime that has begun to start a container can only write it into its log.
bool says_wrong_kind(const std::string& evidence) {
  return evidence.find(": exec format error") != std::string::npos;
}

}  // namespace

Verdict look_at(const Cluster& cluster, const json& workload, Judge& judge) {
  const auto current = cluster.workload(workload);
  const auto generation = "/metadata/generation"_json_pointer;
  auto verdict = judge.look(current, cluster.replica_sets(), cluster.pods(), now_micros());
  const auto written = cluster.live().find(key_of(workload));
  // A watch may lag behind what we wrote.
  if (!current.is_null() && written != cluster.live().end() &&
      current.value(generation, 0) < written->second.value(generation, 0))
    return {Verdict::State::waiting, 0, verdict.wanted, "the cluster to tell of the change", ""};
  return verdict;
}

void wait_for(Cluster& cluster, const Level& level, const std::set<std::string>& changed,
              const std::function<void()>& check) {
  if (level.empty()) return;
  std::map<const ServiceObjects*, Waiting> waiting;
  for (const auto* service : level)
    waiting.emplace(service, Waiting{Judge(Millis(service->ready_within_ms)), {}, false});
  const auto deadline = Clock::now() + cluster.settings().deadline;
  cluster.wake();
  for (;;) {
    check();
    if (cluster.news()) {
      bool all = true;
      std::string progress;
      for (auto& [service, one] : waiting) {
        const auto verdict = look_at(cluster, service->workload, one.judge);
        const bool late = verdict.state == Verdict::State::waiting && Clock::now() > deadline;
        if (verdict.state == Verdict::State::failed || late) {
          const auto why = late ? fmt::format("it does not serve within {}: waits for {}",
                                              format_duration(cluster.settings().deadline), verdict.why)
                                : verdict.why;
          cluster.progress(fmt::format("{}: {}", service->name, why));
          const auto evidence =
              verdict.pod.empty() ? "" : evidence_of(cluster.api(), cluster.place(), verdict.pod);
          throw Unhealthy{service->name, says_wrong_kind(evidence) ? kWrongKind : why, evidence};
        }
        if (verdict.state != Verdict::State::ready) {
          one.healthy_since.reset();
          one.done = all = false;
          add(progress,
              fmt::format("{} {}/{}: {}", service->name, verdict.ready, verdict.wanted, verdict.why));
          continue;
        }
        if (!one.healthy_since) one.healthy_since = Clock::now();
        if (Clock::now() - *one.healthy_since < cluster.settings().stable) {
          all = false;
          add(progress, fmt::format("{} must stay healthy", service->name));
        } else if (!std::exchange(one.done, true) && changed.contains(service->name)) {
          cluster.context().event("rollout", {{"service", service->name}, {"state", "serving"}});
          cluster.log(fmt::format("{}: {} replica{} serve{}", service->name, verdict.wanted,
                                  verdict.wanted == 1 ? "" : "s", verdict.wanted == 1 ? "s" : ""));
        }
      }
      if (all) return;
      cluster.progress(progress);
    }
    cluster.poll();
  }
}

}  // namespace slipway::kubernetes
