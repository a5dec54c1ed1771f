// How requests are shared between the version that serves and its canary.
#pragma once
#include <vector>

#include "plugins/kubernetes/records.h"

namespace slipway::kubernetes {

struct Share {
  int stable, canary;  // replicas
  double part() const { return stable + canary > 0 ? 100.0 * canary / (stable + canary) : 0; }
};

// For `weight` percent of the requests, when every pod gets as many: nearest, with at least one canary, and
// never less than `replicas` pods of one of the two: abort and promotion find a full set.
Share share_of(int replicas, int weight);

// The canary of a workload: another name, pods that the Services of the stable one mean too, or, with
// `apart`, pods that they do not mean.
json canary_of(const json& workload, bool apart);

// What sends `weight` percent of the requests to the canary: an Ingress beside each Ingress of the service
// with the canary annotations of ingress-nginx, weights in each HTTPRoute of the Gateway API, and the Service
// that both point to. Throws Error(usage) when the service has neither.
std::vector<json> routes_to(const ServiceObjects& service, const json& canary, int weight);

}  // namespace slipway::kubernetes
