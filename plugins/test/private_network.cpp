#include "plugins/test/private_network.h"

#include <unistd.h>

#include <atomic>

#include "base/clock.h"
#include "base/error.h"

namespace slipway {

namespace {

constexpr const char* kLock = ".lock";

void forget(const fs::path& dir) {
  if (auto network = oci::Network::find(dir)) network->remove();
  remove_tree(dir);
  fs::remove(dir.string() + kLock);
}

// Networks whose owner is dead: nobody holds their lock.
void sweep(const fs::path& place) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(place, error)) {
    if (entry.path().extension() != kLock) continue;
    if (const auto dead = FileLock::try_lock(entry.path())) forget(place / entry.path().stem());
  }
}

}  // namespace

PrivateNetwork::PrivateNetwork(const fs::path& cache_dir) {
  static std::atomic<int> counter{0};
  const auto place = cache_dir / "test-networks";
  sweep(place);
  while (!lock_) {
    // Never used before, also not by a process of the same number.
    dir_ = place / fmt::format("{}-{}-{}", ::getpid(), now_micros(), ++counter);
    const auto file = dir_.string() + kLock;
    lock_ = FileLock::try_lock(file);
    if (lock_ && !fs::exists(file)) lock_.reset();  // swept between making and locking it
  }
  try {
    network_ = oci::Network::open(dir_, "test");
  } catch (...) {
    forget(dir_);
    throw;
  }
}

PrivateNetwork::~PrivateNetwork() {
  try {
    forget(dir_);
  } catch (const std::exception& e) {
    // A destructor cannot throw. The lock goes now, so the next test tries again.
    fmt::print(stderr, "slipway: warning: {}\n", e.what());
  }
}

}  // namespace slipway
