#include "base/clock.h"
#include "plugins/local/actions.h"
#include "plugins/local/rollout.h"

namespace slipway::local {

namespace {

json replica_json(const Replica& replica, const Replicas& replicas,
                  const std::map<std::string, std::string>& health) {
  json out = {{"id", replica.id}, {"address", replica.address}};
  const auto state = replicas.state(replica.id);
  const bool alive = state && is_alive(state->shim_process());
  out["status"] = alive ? state->status : "gone";
  if (state) {
    out["exits"] = state->exits;
    if (state->exit_code) out["exit_code"] = *state->exit_code;
    if (state->started) out["started"] = format_utc(state->started);
  }
  const auto it = health.find(replica.id);
  out["health"] = !alive || state->status != "running" ? "down"
                  : it == health.end()                 ? "unknown"
                  : it->second == "UP"                 ? "healthy"
                                                       : "unhealthy";
  return out;
}

}  // namespace

Outcome status(const Place& place) {
  const auto state = State::load(place);
  const auto network = oci::Network::find(place.network());
  const Replicas replicas(place);
  json out = {{"project", place.project},
              {"environment", place.environment},
              {"release", state.release},
              {"services", json::array()},
              {"releases", json::array()}};
  if (!state.rollout.empty()) out["rollout"] = state.rollout;
  std::map<std::string, std::string> health;
  bool balancing = false;
  if (network) {
    const auto balancer = balancer_of(place, *network);
    if ((balancing = balancer.running())) health = balancer.statuses();
  }
  out["balancer"] = balancing ? "running" : "down";
  Releases releases(place);
  for (const auto& [name, serving] : state.services) {
    const auto* release = releases.find(serving.release);
    const auto* plan = release ? release->find(name) : nullptr;
    json service = {
        {"name", name}, {"release", serving.release}, {"ports", serving.ports}, {"replicas", json::array()}};
    if (plan) {
      service["image"] = plan->image.value("digest", "");
      service["wanted"] = plan->replicas;
    }
    if (serving.publish)
      service["url"] = fmt::format("{}127.0.0.1:{}", serving.http ? "http://" : "tcp://", serving.publish);
    for (const auto& replica : serving.replicas)
      service["replicas"].push_back(replica_json(replica, replicas, health));
    out["services"].push_back(std::move(service));
  }
  for (const auto& id : release_ids(place)) {
    const auto* release = releases.find(id);
    if (!release) continue;
    json entry = {{"id", id}, {"state", release->state}, {"created", format_utc(release->created)}};
    if (!release->previous.empty()) entry["previous"] = release->previous;
    if (!release->rollback_of.empty()) entry["rollback_of"] = release->rollback_of;
    for (const auto& plan : release->services) entry["images"][plan.name] = plan.image.value("digest", "");
    if (id == state.release) {
      out["created"] = entry["created"];
      if (release->live) out["live"] = format_utc(release->live);
    }
    out["releases"].push_back(std::move(entry));
  }
  return Outcome::success(std::move(out));
}

}  // namespace slipway::local
