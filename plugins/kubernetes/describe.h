#pragma once
#include "plugin/plugin.h"

namespace slipway::kubernetes {

PluginInfo describe();

}  // namespace slipway::kubernetes
