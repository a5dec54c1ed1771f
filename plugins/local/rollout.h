// From the services that run to those of a release: start new, wait until healthy, switch, drain, stop old.
// One that does not become healthy takes the whole release back.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oci/network.h"
#include "plugins/local/balancer.h"
#include "plugins/local/place.h"
#include "plugins/local/replicas.h"
#include "plugins/local/state.h"
#include "plugins/local/waiting.h"

namespace slipway::local {

// The caller holds the lock of the place. One object, one rollout, one thread.
//
// state.json is the truth: what it says serves, serves; a replica it does not name is of no use. Old replicas
// run on, without requests, until the whole release is healthy, so that the way back needs no start. Killed
// at any moment, the next rollout makes the balancer follow state.json and removes what is not in it.
class Rollout {
 public:
  Rollout(const Place& place, Context& context);

  // True when exactly `plans` run, each replica and the balancer too: nothing to do. Quick: no process is
  // started.
  bool is_done(const std::vector<ServicePlan>& plans) const;
  // The same for what was asked for (asked_digest) with the release that serves: no image is read.
  bool is_done(const std::string& asked) const;
  // `asked` means what serves.
  void remember(const std::string& asked);
  // What run would do, a line for each change; nothing is changed, and no secret has to be known.
  std::vector<std::string> foresee(const std::vector<ServicePlan>& plans) const;
  // Makes `plans` (in order) serve. `asked`: what they were made of; "" when that is not known.
  Outcome run(const std::vector<ServicePlan>& plans, const std::string& asked,
              const std::string& rollback_of = "");
  json urls() const;  // of what serves
  const State& state() const { return state_; }

 private:
  struct Update {  // of one service
    const ServicePlan* plan;
    std::vector<Replica> keep, fresh;
    std::vector<std::string> old;
  };

  bool all_run() const;
  void check_ports(const std::vector<ServicePlan>& plans) const;
  void begin(const std::vector<ServicePlan>& plans, const std::string& rollback_of);
  void sweep();
  void listen(const std::vector<ServicePlan>& plans);
  void update(const std::vector<const ServicePlan*>& level);
  std::optional<Update> update_of(const ServicePlan& plan) const;
  void start_one(Update& update);
  void wait_for(const Update& update, const Replica& replica);
  void switch_to(const Update& update);
  void commit(const std::vector<ServicePlan>& plans, const std::string& asked);
  void clean_up();
  // Back to what served at the beginning; says what could not be brought back.
  std::vector<std::string> go_back();
  Outcome failed(const Unhealthy& what);
  void tear_down();

  std::vector<Route> routes();
  const std::vector<fs::path>& lowers_of(const ServicePlan& plan);
  void log(const std::string& line);
  void progress(const std::string& text);

  const Place& place_;
  Context& context_;
  Replicas replicas_;
  State state_, before_;
  Release release_;
  std::optional<oci::Network> network_;
  std::optional<Balancer> balancer_;
  std::map<std::string, std::string> addresses_;         // service → virtual address
  std::map<std::string, std::vector<fs::path>> lowers_;  // by image digest
  std::map<std::string, std::string> started_;           // id → service
  std::set<std::string> changed_, gone_;
};

// The balancer of a place whose network is known.
Balancer balancer_of(const Place& place, const oci::Network& network);

}  // namespace slipway::local
