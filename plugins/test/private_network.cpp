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

}  // namespace

// Nobody holds their lock.
std::vector<fs::path> PrivateNetwork::abandoned(const fs::path& cache_dir) {
  const auto place = cache_dir / "test-networks";
  std::vector<fs::path> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(place, error))
    if (entry.path().extension() == kLock && FileLock::try_lock(entry.path()))
      out.push_back(place / entry.path().stem());
  return out;
}

void PrivateNetwork::clear(const fs::path& abandoned) {
  if (const auto dead = FileLock::try_lock(abandoned.string() + kLock)) forget(abandoned);
}

PrivateNetwork::PrivateNetwork(const fs::path& cache_dir) {
  static std::atomic<int> counter{0};
  const auto place = cache_dir / "test-networks";
  for (const auto& dir : abandoned(cache_dir)) clear(dir);
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
