// Does a workload serve, is it on its way, or has it failed? Read from what the cluster tells of it and of
// its newest pods; those of earlier versions are never judged.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"

namespace slipway::kubernetes {

using nlohmann::json;
using Objects = std::map<std::string, json>;  // by name

bool is_ready(const json& pod);
// The `pod-template-hash` of a Deployment's newest ReplicaSet; "" when it has none yet.
std::string newest_hash(const json& deployment, const Objects& replica_sets);

struct Verdict {
  enum class State { waiting, ready, failed };
  State state = State::waiting;
  int ready = 0, wanted = 0;  // of the new version
  std::string why;            // what it waits for, or why it failed; one line
  std::string pod;            // the one to look at, when there is one
};

// Keeps what it saw, for faults that count only when they last. One for each workload and rollout.
class Judge {
 public:
  // `ready_within`: of a started container whose probe fails; 0: for ever.
  explicit Judge(Millis ready_within) : ready_within_(ready_within) {}
  // `workload`: Deployment or StatefulSet as it is now, null when it is not there; `now`: microseconds since
  // the epoch.
  Verdict look(const json& workload, const Objects& replica_sets, const Objects& pods, std::int64_t now);
  // Of a Job: ready is complete.
  Verdict look_job(const json& job, const Objects& pods, std::int64_t now);

 private:
  Verdict of_pods(Verdict verdict, const std::vector<const json*>& pods, std::int64_t now);
  bool lasts(const std::string& what, Millis limit, std::int64_t now);

  Millis ready_within_;
  std::map<std::string, std::int64_t> since_;  // fault → first seen
};

}  // namespace slipway::kubernetes
