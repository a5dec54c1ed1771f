// What the cluster has of the objects that a release is made of.
#pragma once
#include <map>
#include <set>

#include "plugins/kubernetes/generate.h"
#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

// Those that are there, with what else bears the labels of the place: one list a kind, and a question for
// each that belongs to the whole cluster, so that the right to read these by name is enough.
std::map<ObjectKey, json> live_objects(Api& api, Kinds& kinds, const Place& place,
                                       const std::set<ObjectKey>& keys);

// In the order in which they may be written: each group needs only those before it. Namespaces, then kinds,
// then accounts and roles, then all others.
std::vector<std::vector<json>> in_order(std::vector<json> objects);

}  // namespace slipway::kubernetes
