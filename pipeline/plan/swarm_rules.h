// What a swarm cannot do with services, told before anything runs.
#pragma once
#include <vector>

#include "spec/spec.h"

namespace slipway {

// Throws Error(usage) at the place of the first mistake.
void check_swarm(const std::vector<const Service*>& services, const Target& target);

}  // namespace slipway
