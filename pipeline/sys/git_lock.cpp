#include "sys/git_lock.h"

#include <condition_variable>
#include <mutex>

#include "base/clock.h"

namespace slipway::git {

FileLock wait_for_lock(const fs::path& path, const std::string& waiting_for, const OnProgress& progress,
                       const std::stop_token& stop) {
  for (bool told = false;;) {
    if (auto got = FileLock::try_lock(path)) return std::move(*got);
    if (!std::exchange(told, true) && progress) progress("waiting for " + waiting_for, 0, 0, "");
    // flock(2) cannot be woken by a stop_token: look again, twenty times a second.
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock held(mutex);
    wake.wait_for(held, stop, Millis(50), [] { return false; });
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  }
}

}  // namespace slipway::git
