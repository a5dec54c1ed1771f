// The `local` target: services on this machine, without cluster or engine.
#pragma once
#include <memory>

#include "plugin/plugin.h"

namespace slipway {

// Actions apply, status, logs, rollback, down, clean. State lies below Invocation::state_dir/local.
std::unique_ptr<Plugin> make_local_plugin();

}  // namespace slipway
