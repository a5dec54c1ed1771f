// The plugin `git`: where the code of every step comes from.
#pragma once
#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_git_plugin();

}  // namespace slipway
