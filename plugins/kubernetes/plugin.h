// The Kubernetes target: releases of services on a cluster, through its API (pipeline/README.md has the
// params).
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_kubernetes_plugin();

}  // namespace slipway
