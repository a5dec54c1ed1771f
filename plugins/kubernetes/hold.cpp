#include "plugins/kubernetes/hold.h"

#include "base/clock.h"
#include "plugins/kubernetes/color.h"
#include "plugins/kubernetes/evidence.h"
#include "plugins/kubernetes/judge.h"

namespace slipway::kubernetes {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kWay = "`slipway promote` goes on, `slipway abort` goes back";

}  // namespace

void hold(Holding& holding, const Hold& what, Analysis& analysis) {
  auto& cluster = holding.cluster;
  const auto& service = *what.service;
  Judge judge(Millis(service.ready_within_ms));
  auto left = what.time.value_or(Millis(0));
  auto last = Clock::now();
  std::string pause;
  if (!what.time && !what.until_passed && !holding.promoted)
    cluster.log(fmt::format("{}: waits for you: {}", what.title, kWay));
  cluster.set_phase(what.title);
  cluster.wake();
  for (;;) {
    holding.check();
    if (const auto decision = holding.decisions.take(holding.rollout)) {
      if (decision->word == "abort")
        throw Unhealthy{
            service.name,
            fmt::format("{} aborted it{}", decision->by, decision->why.empty() ? "" : ": " + decision->why),
            ""};
      cluster.log(fmt::format("{}: promoted by {}", what.title, decision->by));
      holding.promoted |= decision->all;
      return;
    }
    if (holding.promoted) return;
    analysis.tick();
    if (const auto broken = analysis.broken(); !broken.empty()) {
      const auto pods = cluster.pods();
      std::string evidence;
      for (const auto& [name, pod] : pods)
        if (evidence.empty() &&
            selects(service.workload.value("/spec/selector/matchLabels"_json_pointer, json()),
                    pod.value("/metadata/labels"_json_pointer, json())))
          evidence = evidence_of(cluster.api(), cluster.place(), name);
      throw Unhealthy{service.name, broken, evidence};
    }
    if (cluster.news()) {
      const auto verdict = look_at(cluster, service.workload, judge);
      if (verdict.state == Verdict::State::failed)
        throw Unhealthy{service.name, verdict.why,
                        verdict.pod.empty() ? "" : evidence_of(cluster.api(), cluster.place(), verdict.pod)};
      const auto now = Clock::now();
      const auto missing = analysis.missing();
      auto why = !missing.empty() ? missing
                 : verdict.state != Verdict::State::ready
                     ? fmt::format("{} of {} pods are ready: {}", verdict.ready, verdict.wanted, verdict.why)
                     : "";
      // Time without an answer does not count.
      if (why.empty()) left -= std::chrono::duration_cast<Millis>(now - last);
      last = now;
      if (why != pause && !why.empty() && !why.starts_with("the first answer"))
        cluster.log(fmt::format("{}: paused, {}; {}", what.title, why, kWay));
      pause = why;
      if (why.empty() && (what.until_passed ? analysis.passed() : what.time && left <= Millis(0))) return;
      cluster.progress(!why.empty()        ? fmt::format("{}: paused: {}", what.title, why)
                       : what.until_passed ? fmt::format("{}: being checked", what.title)
                       : what.time         ? fmt::format("{}: {} to go", what.title, format_duration(left))
                                           : fmt::format("{}: waits for `slipway promote`", what.title));
    }
    cluster.poll();
  }
}

}  // namespace slipway::kubernetes
