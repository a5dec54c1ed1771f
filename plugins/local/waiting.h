// Waiting until a new replica may get requests, and what to tell when it never may.
#pragma once
#include "oci/network.h"
#include "plugins/local/replicas.h"
#include "plugins/local/service_plan.h"

namespace slipway::local {

// A replica that did not become healthy: an answer, not a fault of ours.
struct Unhealthy {
  std::string service, replica, why, evidence;
};

// The check that a plan asks for; without one, that its port answers. nullopt: there is neither.
std::optional<oci::Healthcheck> check_of(const ServicePlan& plan);

// Returns when it is healthy; throws Unhealthy, or Error(interrupted). A service without check and port has
// to run for a second.
void wait_until_healthy(const ServicePlan& plan, const Replica& replica, const Replicas& replicas,
                        std::stop_token stop);

}  // namespace slipway::local
