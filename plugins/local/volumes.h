// Named volumes: folders that outlive the replicas that use them.
#pragma once
#include "plugins/local/service_plan.h"
#include "plugins/local/state.h"

namespace slipway::local {

// Makes the volumes of a service that are not there yet; each begins with what the image has at its place,
// owner and mode too, as with Docker. Whole or not at all.
void make_volumes(const Place& place, const ServicePlan& plan, const std::vector<fs::path>& lowers);

}  // namespace slipway::local
