// The plugin `debian`: images of Debian packages.
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_debian_plugin();

}  // namespace slipway
