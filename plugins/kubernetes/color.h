// Two versions of a service side by side: workloads with a colour in their name, and Services that are
// switched from one to the other.
#pragma once
#include "plugins/kubernetes/records.h"

namespace slipway::kubernetes {

constexpr const char* kColorLabel = "slipway.dev/color";

// The workload under another name ("web-blue"), its pods marked, and the Services that mean them moved to
// `traffic`, with the colour in their selector. A service that has a colour gets the other one in its place.
ServiceObjects painted(ServiceObjects service, const std::string& color);
ServiceObjects unpainted(ServiceObjects service);

// With the colours that a rollout gives: the one that serves where the pods stay as they are, the other one
// where they change. `before`: nullptr when nothing serves yet.
ServiceObjects with_color(const ServiceObjects& service, const ServiceObjects* before);

// Does a selector mean pods of these labels?
bool selects(const json& selector, const json& labels);

}  // namespace slipway::kubernetes
