// `run:` steps: commands of the user's, in a shell of this machine.
#pragma once
#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_shell_plugin();

}  // namespace slipway
