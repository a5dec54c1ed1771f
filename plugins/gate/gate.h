// The plugin `gate`: what a rollout waits for, or asks, before it begins.
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_gate_plugin();

}  // namespace slipway
