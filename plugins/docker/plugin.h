// Builds images through a Docker Engine (for those who have one and want it), with the outputs of
// dockerfile.build.
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_docker_plugin();

}  // namespace slipway
