// A rollout that stands still for a while: watched, analysed, ended by the clock or by a person.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugins/kubernetes/analysis.h"
#include "plugins/kubernetes/decisions.h"
#include "plugins/kubernetes/waiting.h"

namespace slipway::kubernetes {

// Who holds, and who decides.
struct Holding {
  Cluster& cluster;
  Decisions& decisions;
  std::string rollout;          // "r7"
  std::function<void()> check;  // called all the while, may throw
  bool promoted = false;        // by `slipway promote --all`: nothing is waited for any more
};

struct Hold {
  std::string title;              // "canary of `web`: step 1 of 3, 5%"
  const ServiceObjects* service;  // its workload must stay healthy
  std::optional<Millis> time;     // nullopt: until somebody promotes it
  bool until_passed = false;      // ends when every check has passed, instead of by time
};

// Returns when the hold is over: its time has passed with every check able to tell, or somebody promoted it.
// Throws Unhealthy when the workload fails, a check fails too often, or somebody aborts it.
void hold(Holding& holding, const Hold& what, Analysis& analysis);

}  // namespace slipway::kubernetes
