// Waiting for another slipway's work in the cache, without being deaf to a request to stop.
#pragma once
#include <stop_token>
#include <string>

#include "sys/files.h"
#include "sys/git_remote.h"

namespace slipway::git {

// Takes the lock; says `waiting_for` ("another slipway that …") as progress once when another has it. Throws
// Error(interrupted).
FileLock wait_for_lock(const fs::path& path, const std::string& waiting_for, const OnProgress& progress,
                       const std::stop_token& stop);

}  // namespace slipway::git
