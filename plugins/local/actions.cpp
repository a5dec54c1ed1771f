// The actions rollback, down and clean.
#include "plugins/local/actions.h"

#include "base/suggest.h"
#include "plugins/local/locked.h"
#include "plugins/local/rollout.h"
#include "sys/files.h"

namespace slipway::local {

namespace {

// The good release before the one that serves.
std::string previous_of(const Place& place, const State& state) {
  auto current = Release::load(place, state.release);
  if (!current) throw Error(ExitCode::usage, fmt::format("nothing is rolled out in `{}`", place.title()));
  if (current->previous.empty() || !Release::load(place, current->previous))
    throw Error(ExitCode::usage, fmt::format("there is no release before `{}`", state.release))
        .hint("`slipway status` lists those that are kept");
  return current->previous;
}

}  // namespace

Outcome rollback(const Place& place, const json& params, Context& context) {
  const auto lock = lock_place(place);
  Rollout rollout(place, context);
  auto wanted = params.value("release", std::string());
  if (wanted.empty()) wanted = previous_of(place, rollout.state());
  const auto release = Release::load(place, wanted);
  if (!release)
    throw Error(ExitCode::usage, fmt::format("there is no release `{}`", wanted))
        .hint(suggestion_hint(wanted, release_ids(place)));
  if (release->state != "good")
    throw Error(ExitCode::usage, fmt::format("release `{}` never became healthy", wanted))
        .hint("`slipway status` lists the good ones");
  if (rollout.is_done(release->services))
    return Outcome::success({{"release", rollout.state().release},
                             {"rolled_back_to", wanted},
                             {"changed", json::array()},
                             {"urls", rollout.urls()}});
  auto outcome = rollout.run(release->services, "", wanted);
  if (outcome.ok) outcome.outputs["rolled_back_to"] = wanted;
  return outcome;
}

Outcome down(const Place& place, const json& params, Context& context) {
  std::error_code ec;
  if (!fs::exists(place.root, ec)) return Outcome::success({{"stopped", 0}});
  std::size_t stopped = 0;
  const bool volumes = params.value("volumes", false);
  {
    const auto lock = lock_place(place);
    auto network = oci::Network::find(place.network());
    const Replicas replicas(place);
    const auto ids = replicas.all();
    stopped = ids.size();
    if (network) balancer_of(place, *network).stop();
    if (!ids.empty())
      context.log(fmt::format("stopping {} replica{}\n", ids.size(), ids.size() == 1 ? "" : "s"));
    replicas.stop(ids, network);
    if (network) network->remove();
    for (const auto& entry : fs::directory_iterator(place.root)) {
      const auto name = entry.path().filename();
      if (name == "lock" || (name == "volumes" && !volumes)) continue;
      remove_tree(entry.path());
    }
  }
  json kept = json::array();
  for (const auto& entry : fs::directory_iterator(place.root / "volumes", ec))
    kept.push_back(entry.path().filename().string());
  if (kept.empty()) remove_tree(place.root);
  fs::remove(place.root.parent_path(), ec);  // when this was the project's last environment
  return Outcome::success({{"stopped", stopped}, {"volumes", kept}});
}

Outcome clean(const Place& place, const json& params, Context&) {
  std::error_code ec;
  if (!fs::exists(place.root, ec)) return Outcome::success({{"found", json::array()}});
  const bool dry = params.value("dry_run", false);
  const auto lock = try_lock_place(place);
  // Somebody works here right now: nothing of it is left over.
  if (!lock) return Outcome::success({{"found", json::array()}});
  const auto state = State::load(place);
  std::set<std::string> serving;
  for (const auto& [_, service] : state.services)
    for (const auto& replica : service.replicas) serving.insert(replica.id);
  auto network = oci::Network::find(place.network());
  const Replicas replicas(place);
  std::set<std::string> lost;
  for (const auto& id : replicas.all())
    if (!serving.contains(id)) lost.insert(id);
  if (network)
    for (const auto& id : network->attached())
      if (!serving.contains(id)) lost.insert(id);
  json found = json::array();
  for (const auto& id : lost) found.push_back(fmt::format("replica {} of a rollout that was cut off", id));
  if (!dry) replicas.stop({lost.begin(), lost.end()}, network);
  return Outcome::success({{"found", found}});
}

}  // namespace slipway::local
