// What a rollout would change in the cluster, field by field.
#pragma once
#include "plugins/kubernetes/rollout.h"

namespace slipway::kubernetes {

struct FieldChange {
  std::string path;    // "spec.template.spec.containers[web].image"
  json before, after;  // null: not there
};

// Of two states of one object, without what the cluster itself keeps in it (status, versions). Members of
// lists are told apart by name or port, as server-side apply does; values of Secrets are "(secret)" and
// "(changed)".
std::vector<FieldChange> changes_between(const json& before, const json& after);

// {"changes": bool, "objects": [{"object", "service", "change": "add"|"change"|"remove"|"refused", "fields",
// "conflicts", "drift", "refused"}]}. Throws Error(auth) when the user may not even rehearse.
json diff(Rollout& rollout, const std::vector<ServiceObjects>& services);

}  // namespace slipway::kubernetes
