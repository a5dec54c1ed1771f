// The plugins that are linked in.
#pragma once
#include "plugin/registry.h"

namespace slipway {

void add_builtin_plugins(Plugins& plugins);

}  // namespace slipway
