// The actions beside `apply`, each on one place. Their outputs are those of the local target (plugins/local).
#pragma once
#include "plugins/kubernetes/rollout.h"

namespace slipway::kubernetes {

Outcome status(Api& api, const Place& place);
Outcome logs(Api& api, const Place& place, const json& params, Context& context);
Outcome rollback(Api& api, const Place& place, const Settings& settings, const Invocation& invocation,
                 Context& context);
// `promote` and `abort`: tells the rollout that is on its way; `abort` of one that was cut off goes back
// itself.
Outcome decide(Api& api, const Place& place, const Settings& settings, const Invocation& invocation,
               Context& context);
Outcome down(Api& api, const Place& place, const json& params, Context& context);
// A YAML stream; values of Secrets are "***".
std::string render(const std::vector<ServiceObjects>& services);

}  // namespace slipway::kubernetes
