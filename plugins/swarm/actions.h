// The actions beside `apply`, each on one place. Their outputs are those of the local target (plugins/local).
#pragma once
#include "plugins/swarm/rollout.h"

namespace slipway::swarm {

Outcome status(EngineApi& api, const Place& place);
Outcome logs(EngineApi& api, const Place& place, const json& params, Context& context);
Outcome rollback(EngineApi& api, const Place& place, const Settings& settings, const json& params,
                 Context& context);
Outcome down(EngineApi& api, const Place& place, const json& params, Context& context);
// A YAML stream: what would be made, by kind and name; contents of secrets are "***".
std::string render(const Place& place, const std::vector<ServiceSpec>& services, const Contents& contents,
                   bool encrypted);

}  // namespace slipway::swarm
