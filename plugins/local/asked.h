// What `apply` is asked for, as one digest: when it is that of the last good release, nothing has to be read
// from the images to know that nothing is to be done.
#pragma once
#include <string>

#include "plugin/plugin.h"

namespace slipway::local {

// Of all params and the secrets' values; the params name images by digest, so that nothing else matters. The
// digest lies where the values lie too (Place::state, 0600).
std::string asked_digest(const Invocation& invocation);

}  // namespace slipway::local
