#include "sys/pipe.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace slipway {

// A pipe takes no MSG_NOSIGNAL. The signal goes to the thread that writes: it is blocked there, and taken
// away again when it came from this write.
ssize_t write_to_pipe(int fd, std::string_view bytes) {
  sigset_t pipe, pending, old;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &old);
  const auto written = ::write(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (written < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec now{};
    ::sigtimedwait(&pipe, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  errno = error;
  return written;
}

}  // namespace slipway
