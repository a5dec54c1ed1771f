// The plugin `dockerfile`: images from Dockerfiles, without a daemon.
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_dockerfile_plugin();

}  // namespace slipway
