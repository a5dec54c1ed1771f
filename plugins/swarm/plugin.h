// The Swarm target: releases of services on a swarm of Docker Engines, through their API (pipeline/README.md
// has the params).
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_swarm_plugin();

}  // namespace slipway
