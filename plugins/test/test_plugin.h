// Tests: a command inside an image that was built, beside the backing services it needs.
#pragma once
#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_test_plugin();

}  // namespace slipway
