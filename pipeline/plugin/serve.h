// The other end of the wire: any Plugin answers requests from a descriptor (`slipway plugin serve NAME`).
#pragma once
#include <stop_token>

#include "plugin/plugin.h"

namespace slipway {

// Until `in` ends or `stop` is requested; then what runs is asked to stop and waited for. Each run, preview,
// fingerprint and undo has a thread of its own. Throws Error(unavailable) when it cannot read.
void serve_plugin(Plugin& plugin, int in, int out, std::stop_token stop);

}  // namespace slipway
