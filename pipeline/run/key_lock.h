// One maker per key: a step takes the lock of its key, so that two processes do not make the same thing
// twice.
#pragma once
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "sys/fd.h"

namespace slipway {

// A locked file below cache_dir/locks, removed by its owner; dies with the process.
class KeyLock {
 public:
  KeyLock() = default;
  KeyLock(KeyLock&& other) noexcept : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
  KeyLock& operator=(KeyLock&& other) noexcept;
  ~KeyLock() { release(); }
  void release();
  bool held() const { return static_cast<bool>(fd_); }

  // `folder` exists. nullopt: another holds it.
  static std::optional<KeyLock> try_lock(const std::filesystem::path& folder, const std::string& hash);
  // Waits until the other has let go, or `stop` is requested; takes nothing. The step's thread.
  static void wait_until_free(const std::filesystem::path& folder, const std::string& hash,
                              std::stop_token stop);

 private:
  Fd fd_;
  std::filesystem::path path_;
};

}  // namespace slipway
