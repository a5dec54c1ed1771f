// What a person needs to see why containers did not become healthy, collected before anything is undone.
#pragma once
#include <string>
#include <vector>

#include "oci/engine_api.h"
#include "plugins/swarm/place.h"

namespace slipway::swarm {

// The most telling first: how containers ended, their last lines, what their healthcheck answered. What
// cannot be had is said.
std::string evidence_of(oci::EngineApi& api, const std::string& service, const std::vector<json>& tasks);

}  // namespace slipway::swarm
