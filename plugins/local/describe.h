// What the local target can do, with the schemas of its params.
#pragma once
#include "plugin/plugin.h"

namespace slipway::local {

PluginInfo describe();

}  // namespace slipway::local
