// What serves now, and the releases before: the files that a rollout changes, each whole or not at all.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/local/place.h"
#include "plugins/local/service_plan.h"

namespace slipway::local {

struct Replica {
  std::string id;       // "users-3fa2c1"
  std::string address;  // on the project's bridge
  bool operator==(const Replica&) const = default;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Replica, id, address)
};

struct Serving {
  std::string release;  // whose record holds the plan; the plan with its secrets is only there
  std::string definition, declared;
  std::vector<Replica> replicas;  // that get requests
  // Of the plan, for the balancer.
  std::vector<int> ports;
  int publish = 0;
  bool http = false;
  json healthcheck;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Serving, release, definition, declared, replicas, ports,
                                              publish, http, healthcheck)
};

struct State {
  std::string release;  // the last that became healthy as a whole; "": none yet
  std::string rollout;  // the one that is being rolled out, or was when slipway was killed
  std::string asked;    // asked_digest of what `services` came from; "": not known
  int last = 0;         // number of the newest release
  std::map<std::string, Serving> services;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(State, release, rollout, asked, last, services)

  std::size_t replicas() const;  // of all services

  static State load(const Place& place);  // empty when there is none
  void save(const Place& place) const;    // 0600
};

// One release: kept until `retained` newer ones are there. 0600, for its environment may hold secrets.
struct Release {
  std::string id;        // "r7"
  std::string state;     // "rolling" "good" "failed"
  std::string previous;  // the good one before; "": none
  std::string rollback_of;
  std::int64_t created = 0;           // microseconds since the epoch
  std::int64_t live = 0;              // since when it is good; 0: it is not
  std::vector<ServicePlan> services;  // in order
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Release, id, state, previous, rollback_of, created, live,
                                              services)

  static std::optional<Release> load(const Place& place, const std::string& id);
  void save(const Place& place) const;
  const ServicePlan* find(const std::string& service) const;
};

// Records of releases, each read once: a large project's takes its time, and all its services ask for it.
class Releases {
 public:
  explicit Releases(const Place& place) : place_(place) {}
  const Release* find(const std::string& id);  // null when it is not kept; valid as long as this object

 private:
  const Place& place_;
  std::map<std::string, std::optional<Release>> known_;
};

// All that are kept, the oldest first.
std::vector<std::string> release_ids(const Place& place);
// Removes the oldest beyond `keep`, never one that `state` needs.
void prune_releases(const Place& place, const State& state, std::size_t keep);

}  // namespace slipway::local
