// One release brought out as a whole: config, then workloads level by level, each watched until it serves; if
// one does not, all services of the release go back to what they were.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugin/plugin.h"
#include "plugins/kubernetes/apply.h"
#include "plugins/kubernetes/judge.h"
#include "plugins/kubernetes/watch.h"

namespace slipway::kubernetes {

struct Settings {
  bool prune = true;                // objects that left the spec are removed
  std::set<std::string> take_over;  // fields of other managers
  Millis deadline{600'000};         // of one service, from its change until it serves
  Millis stable{0};                 // so long a service must stay healthy before the release is good
};

class Rollout {
 public:
  Rollout(Api& api, const Place& place, const Settings& settings, Context& context);
  ~Rollout();
  const State& state() const { return state_; }

  // Are these the objects that are there, as they were written, and do they serve? Changes nothing.
  bool is_done(const std::vector<ServiceObjects>& services);
  // Lines that tell what run() would change; empty: nothing.
  std::vector<std::string> foresee(const std::vector<ServiceObjects>& services);
  // The caller holds the Lease.
  Outcome run(std::vector<ServiceObjects> services, const std::string& rollback_of,
              const std::function<void()>& check);

 private:
  struct Unhealthy {
    std::string service, why, evidence;
  };
  using Level = std::vector<const ServiceObjects*>;
  struct Tools;  // everything that speaks to one Api

  void use(Api& api);
  void log(const std::string& line);
  void fit(std::vector<ServiceObjects>& services);
  std::set<std::pair<std::string, std::string>> autoscaled();
  void refresh(const std::vector<ServiceObjects>& services);
  bool is_written(const json& manifest) const;
  void begin(const std::vector<ServiceObjects>& services, const std::string& rollback_of);
  void end_cut_off();
  void write(const std::vector<json>& manifests);
  void bring_out(const std::vector<std::vector<const ServiceObjects*>>& levels, bool wait);
  void wait_for(const Level& level);
  std::string cut_off_job(const json& manifest, const std::string& hash, std::vector<ObjectKey>& stale) const;
  void run_jobs(const Level& level, json ServiceObjects::*job, const char* when);
  void commit(const std::vector<ServiceObjects>& services);
  void retire();
  std::vector<std::string> go_back();
  Outcome failed(const Unhealthy& what);

  Api& api_;
  const Place& place_;
  const Settings& settings_;
  Context& context_;
  std::unique_ptr<Api> own_api_;  // for the way back after a stop, which ends every request of the first
  std::unique_ptr<Tools> tools_;
  State state_;
  Release release_;
  std::optional<Release> before_;
  std::set<std::string> changed_;
  bool with_jobs_ = false;          // on the way back, and to an earlier release, nothing is migrated
  std::map<ObjectKey, json> live_;  // of refresh()
  std::function<void()> check_ = [] {};
};

// Service → where it answers from outside.
json urls_of(const std::vector<ServiceObjects>& services);

// Services that may be updated at the same time, those that others wait for first.
std::vector<std::vector<const ServiceObjects*>> levels_of(const std::vector<ServiceObjects>& services);

}  // namespace slipway::kubernetes
