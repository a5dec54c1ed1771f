#include "run/key_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "base/error.h"

namespace slipway {

KeyLock& KeyLock::operator=(KeyLock&& other) noexcept {
  if (this != &other) {
    release();
    fd_ = std::move(other.fd_);
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

void KeyLock::release() {
  if (!fd_) return;
  // Removed while held, so that the folder does not grow; who waits on the removed file notices below.
  ::unlink(path_.c_str());
  fd_.reset();
}

std::optional<KeyLock> KeyLock::try_lock(const std::filesystem::path& folder, const std::string& hash) {
  KeyLock lock;
  lock.path_ = folder / hash;
  for (;;) {
    Fd fd(::open(lock.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) throw_errno(fmt::format("open `{}`", lock.path_.string()), errno);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno == EWOULDBLOCK) return std::nullopt;
      throw_errno(fmt::format("lock `{}`", lock.path_.string()), errno);
    }
    struct stat mine {
    }, there{};
    ::fstat(fd.get(), &mine);
    // The file may have been removed by its last owner between our open and our lock: then it locks nothing.
    if (::stat(lock.path_.c_str(), &there) != 0 || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev)
      continue;
    lock.fd_ = std::move(fd);
    return lock;
  }
}

void KeyLock::wait_until_free(const std::filesystem::path& folder, const std::string& hash,
                              std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock guard(mutex);
  // flock has no wait that a stop request could end, so this looks again.
  while (!stop.stop_requested()) {
    if (try_lock(folder, hash)) return;
    never.wait_for(guard, stop, std::chrono::milliseconds(25), [] { return false; });
  }
}

}  // namespace slipway
