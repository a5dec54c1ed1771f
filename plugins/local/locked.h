// One rollout at a time: the lock of a place, which dies with its owner.
#pragma once
#include <optional>

#include "plugins/local/place.h"
#include "sys/files.h"

namespace slipway::local {

FileLock lock_place(const Place& place);  // throws Error(denied) when another works there
std::optional<FileLock> try_lock_place(const Place& place);

}  // namespace slipway::local
