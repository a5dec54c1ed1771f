// Until workloads serve, all of a level side by side; the first that cannot ends the rollout.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "plugins/kubernetes/cluster.h"

namespace slipway::kubernetes {

using Level = std::vector<const ServiceObjects*>;

// Throws Unhealthy, with what a person needs to see. `changed`: services whose coming is told of. `check` is
// called all the while and may throw.
void wait_for(Cluster& cluster, const Level& level, const std::set<std::string>& changed,
              const std::function<void()>& check);

// The judge's word on one workload, as long as the watches have told of what was written.
Verdict look_at(const Cluster& cluster, const json& workload, Judge& judge);

}  // namespace slipway::kubernetes
