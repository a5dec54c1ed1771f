// What stands around the pods of a service: its labels, an autoscaler, a disruption budget, an account, and
// who may reach it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugins/kubernetes/generate.h"

namespace slipway::kubernetes {

// `name`: of the object; `service`: whose it is.
json metadata_of(const Place& place, const std::string& service, const std::string& name);
// By which the pods of a made workload are found.
json selector_of(const Place& place, const std::string& service);

// `scale`: of the params, {"min", "max", "cpu", "memory"} in percents; `workload`: what is scaled.
json autoscaler(const Place& place, const std::string& service, const json& scale, const json& workload);
json disruption_budget(const Place& place, const std::string& service);
// `account`: of the params. Nothing when it names one that is there.
std::vector<json> service_account(const Place& place, const std::string& service, const json& account);
// Its ports are reached by the pods of `dependents`, and by everybody when `open_port` is one.
json network_policy(const Place& place, const std::string& service,
                    const std::vector<std::string>& dependents, int open_port);

}  // namespace slipway::kubernetes
