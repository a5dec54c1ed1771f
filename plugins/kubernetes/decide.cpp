// The actions `promote` and `abort`: a person's word to a rollout that holds.
#include "plugins/kubernetes/actions.h"
#include "plugins/kubernetes/decisions.h"
#include "plugins/kubernetes/lease.h"

namespace slipway::kubernetes {

Outcome decide(Api& api, const Place& place, const Settings& settings, const Invocation& invocation,
               Context& context) {
  const auto word = invocation.action;
  Records records(api, place);
  const auto state = records.load();
  if (state.rollout.empty())
    throw Error(ExitCode::usage, fmt::format("no rollout of `{}` is on its way", place.title()))
        .hint("`slipway status` tells what serves; `slipway rollback` brings an earlier release back");
  const auto owner = Lease::holder(api, place);
  const auto phase = state.phase;
  if (owner.empty()) {
    if (word == "promote")
      throw Error(ExitCode::usage,
                  fmt::format("rollout {} was cut off: nobody is there to go on", state.rollout))
          .hint("`slipway run` begins it again, `slipway abort` goes back");
    if (state.release.empty())
      throw Error(ExitCode::usage,
                  fmt::format("rollout {} was the first one, there is nothing to go back to", state.rollout))
          .hint("`slipway down` removes what it left");
    Lease lease(api, place);
    Rollout rollout(api, place, settings, context, invocation.project_dir);
    const auto release = records.release(state.release);
    if (!release)
      throw Error(ExitCode::unavailable, fmt::format("the record of release {} is gone", state.release));
    auto outcome = rollout.run(release->services, state.release, [&] { lease.check(); });
    outcome.outputs["rollout"] = state.rollout;
    outcome.outputs["done"] = true;
    return outcome;
  }
  if (phase.empty())
    throw Error(ExitCode::usage,
                fmt::format("rollout {} of {} does not wait for anything now", state.rollout, owner))
        .hint("it goes on by itself; ^C where it runs takes it back");
  Decision decision;
  decision.rollout = state.rollout;
  decision.word = word;
  decision.by = invocation.params.value("by", std::string("somebody"));
  decision.why = invocation.params.value("why", std::string());
  decision.all = invocation.params.value("all", false);
  Decisions(api, place).leave(decision);
  return Outcome::success({{"rollout", state.rollout}, {"phase", phase}, {"owner", owner}, {"done", false}});
}

}  // namespace slipway::kubernetes
