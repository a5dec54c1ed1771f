// The actions beside `apply`, each on one place.
#pragma once
#include "plugins/local/place.h"

namespace slipway::local {

// {"project", "environment", "release", "rollout"?, "created", "live"?, "balancer", "services": [{"name",
// "image", "release", "wanted", "url"?, "ports", "replicas": [{"id", "status", "health", "address", "exits",
// "exit_code"?, "started"}]}], "releases": [{"id", "state", "created", "rollback_of"?}]}. "services" is empty
// when nothing runs.
Outcome status(const Place& place);
// Lines "REPLICA | TEXT" by Context::log; with `follow` until stop.
Outcome logs(const Place& place, const json& params, Context& context);
Outcome rollback(const Place& place, const json& params, Context& context);
Outcome down(const Place& place, const json& params, Context& context);
// {"found": [what]}
Outcome clean(const Place& place, const json& params, Context& context);

}  // namespace slipway::local
