// Why the API server refuses an object, for a person: whose a field is, what cannot be changed, and the way
// out.
#pragma once
#include <string>
#include <vector>

#include "plugins/kubernetes/api.h"

namespace slipway::kubernetes {

struct Conflict {
  std::string field, manager;  // "spec.replicas", "kubectl-edit"
};
// Of a 409 to an apply: fields that others set.
std::vector<Conflict> conflicts_in(const ApiError& error);

// Fields that the cluster does not change in place ("spec.selector"); empty when that is not the reason.
std::vector<std::string> immutable_in(const ApiError& error);

Error explained(const ApiError& error, const json& manifest);

}  // namespace slipway::kubernetes
