// What a person needs to see why pods did not become healthy, collected before anything is undone.
#pragma once
#include <string>

#include "plugins/kubernetes/generate.h"
#include "plugins/kubernetes/judge.h"
#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

// The most telling first: how containers ended, their last lines, the events. What cannot be had is said.
std::string evidence_of(Api& api, const Place& place, const std::string& pod);
// Events about an object, the oldest first: "Unhealthy (5 times): Readiness probe failed: …".
std::vector<std::string> events_of(Api& api, const Place& place, const std::string& kind,
                                   const std::string& name);

}  // namespace slipway::kubernetes
