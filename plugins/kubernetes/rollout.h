// One release brought out as a whole: config, then workloads level by level, each watched until it serves; if
// one does not, all services of the release go back to what they were.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/kubernetes/cluster.h"
#include "plugins/kubernetes/hold.h"

namespace slipway::kubernetes {

class Rollout {
 public:
  // `project_dir`: where commands of an analysis run.
  Rollout(Api& api, const Place& place, const Settings& settings, Context& context, fs::path project_dir);
  ~Rollout();
  const State& state() const { return cluster_->state(); }

  // Are these the objects that are there, as they were written, and do they serve? Changes nothing.
  bool is_done(const std::vector<ServiceObjects>& services);
  // Lines that tell what run() would change; empty: nothing.
  std::vector<std::string> foresee(std::vector<ServiceObjects> services);
  // What run() would write and remove, asked of the cluster without effect; secrets are at hand.
  struct Change {
    std::string service;
    json manifest, before;  // null: it goes; it is not there
    Tried tried;
    bool was_written = false;  // it is in the spec as it was written: others changed it
  };
  std::vector<Change> compare(std::vector<ServiceObjects> services);
  // The caller holds the Lease.
  Outcome run(std::vector<ServiceObjects> services, const std::string& rollback_of,
              const std::function<void()>& check);

 private:
  void begin(const std::vector<ServiceObjects>& services, const std::string& rollback_of);
  void end_cut_off();
  // As they come out here: fitted to the cluster, with the colours of blue-green.
  void resolve(std::vector<ServiceObjects>& services, const std::optional<Release>& before);
  void bring_out(const std::vector<Level>& levels);
  void bring_out(const Level& level);
  // What serves of a service that is to change step by step; nullptr: it changes at once.
  const ServiceObjects* gradual(const ServiceObjects& service) const;
  void put_back(const Level& level, bool wait);
  void commit(const std::vector<ServiceObjects>& services);
  void retire();
  std::vector<std::string> go_back();
  void undo_strategies();
  Outcome failed(const Unhealthy& what);

  Api& api_;
  const Place& place_;
  Context& context_;
  const fs::path project_dir_;
  std::unique_ptr<Api> own_api_;  // for the way back after a stop, which ends every request of the first
  std::unique_ptr<Cluster> cluster_;
  Release release_;
  std::optional<Release> before_;
  std::set<std::string> changed_;
  bool forward_ = false;  // a new release: commands run, strategies are kept to
  bool promoted_ = false;
  std::function<void()> check_ = [] {};
};

// Service → where it answers from outside.
json urls_of(const std::vector<ServiceObjects>& services);

// Services that may be updated at the same time, those that others wait for first.
std::vector<Level> levels_of(const std::vector<ServiceObjects>& services);

}  // namespace slipway::kubernetes
