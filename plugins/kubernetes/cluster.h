// The cluster as one rollout sees and writes it: what of this place is there now, what was written, and what
// has happened since.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
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

// A service does not become healthy, or may not go on: the release goes back.
struct Unhealthy {
  std::string service, why, evidence;
};

// A Secret of a record: its data is in the cluster only.
bool is_bare_secret(const json& manifest);
// Named by its content and never changed: kept as long as a release names it.
bool is_immutable_config(const ObjectKey& key);
// Not removed with what left the spec: earlier releases may need it, or others of the cluster.
bool is_kept(const ObjectKey& key);

class Cluster {
 public:
  Cluster(Api& api, const Place& place, const Settings& settings, Context& context);
  // Goes on where `other` was, through another Api.
  Cluster(Api& api, const Cluster& other);

  Api& api() { return api_; }
  const Place& place() const { return place_; }
  const Settings& settings() const { return settings_; }
  Context& context() { return context_; }
  Kinds& kinds() { return kinds_; }
  Writer& writer() { return writer_; }
  Records& records() { return records_; }
  State& state() { return state_; }
  const State& state() const { return state_; }
  const std::map<ObjectKey, json>& live() const { return live_; }  // of refresh() and write()

  void log(const std::string& line) { context_.log(line + "\n"); }
  void progress(const std::string& text) { context_.progress({text, 0, 0, ""}); }
  void save_state() { records_.save(state_); }
  // Where the rollout stands, for those who look from outside; "" when it just goes on.
  void set_phase(const std::string& phase);

  // As this cluster wants them: API versions and fields that it has; what the record has of them follows.
  void fit(std::vector<ServiceObjects>& services);
  // The number of replicas is left out where an autoscaler decides it.
  void leave_replicas(std::vector<ServiceObjects>& services);
  // One list a kind: what of this place is there now, of these kinds and those of the record.
  void refresh(const std::vector<ServiceObjects>& services);
  bool is_written(const json& manifest) const;
  // With the number of replicas that belongs to it when it is written.
  json as_sent(json manifest) const;
  // Everything once without effect: rights that are missing, fields of others and what the cluster does not
  // change are known before anything is touched. Throws what write() would throw.
  void rehearse(const std::vector<ServiceObjects>& services);
  // Those that are not written as they should be.
  void write(const std::vector<json>& manifests);
  // Names objects as ours in the record, before they are written: throws Error(denied) for a foreign one.
  void claim(const std::vector<ObjectKey>& keys);
  void remove(const std::vector<ObjectKey>& keys, bool wait = false);

  void watch();
  // Has anything happened since the last call, and is everything listed? Throws what a watch was refused.
  bool news();
  void wake() { *news_ = true; }
  // Until something happens, a quarter of a second at most.
  void poll();
  json workload(const json& manifest) const;  // as it is now; null when it is not there
  const Objects& replica_sets() const { return replica_sets_->objects(); }
  const Objects& pods() const { return pods_->objects(); }
  const Objects& jobs() const { return jobs_->objects(); }

 private:
  std::set<std::pair<std::string, std::string>> autoscaled();
  std::string collection(const char* api_version, const char* kind);
  std::vector<json> unwritten(const std::vector<json>& manifests) const;
  void wait_for_those_that_go(const std::vector<json>& manifests);
  bool listed() const;

  Api& api_;
  const Place& place_;
  const Settings& settings_;
  Context& context_;
  Kinds kinds_;
  Writer writer_;
  Records records_;
  State state_;
  std::map<ObjectKey, json> live_;
  std::map<ObjectKey, int> first_replicas_;  // of what an autoscaler decides about from then on
  // Told by watches, and by the clock, which decides about faults that last.
  std::shared_ptr<bool> news_ = std::make_shared<bool>(false), ticking_ = std::make_shared<bool>(false);
  std::optional<Watch> deployments_, stateful_sets_, replica_sets_, jobs_, pods_;
};

}  // namespace slipway::kubernetes
