// What the plugin says of itself: its actions and their params.
#pragma once
#include "plugin/plugin.h"

namespace slipway::swarm {
PluginInfo describe();
}  // namespace slipway::swarm
