// Commands before and after a rollout: Jobs of a release, with their lines as they come.
#pragma once
#include "plugins/kubernetes/waiting.h"

namespace slipway::kubernetes {

// `job` of all the level's services at once; each must be complete. Throws Unhealthy when one fails. `when`:
// "before" or "after".
void run_jobs(Cluster& cluster, const Level& level, json ServiceObjects::*job, const std::string& release,
              const char* when, const std::function<void()>& check);

}  // namespace slipway::kubernetes
