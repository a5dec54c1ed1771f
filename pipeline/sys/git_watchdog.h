// libgit2 waits in connect(2) and recv(2) without looking up. While one of these lives, a request to stop, or
// silence for too long, ends the calls of the thread that made it.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>

#include "base/clock.h"

namespace slipway::git {

// Made, asked and destroyed on one thread. Its blocking calls fail with EINTR; as libssh2 tries again then,
// the connection is shut down as well: libgit2 does not tell which descriptor it is, so it is found as one to
// `port` that was not open before. (A connection made meanwhile by another thread to the same port would be
// hit, too: on a stop that one ends anyway, after silence its fetch is tried again.)
class Watchdog {
 public:
  Watchdog(std::stop_token stop, Millis silence, int port);
  ~Watchdog();
  void alive();          // something came from the other side
  bool silent() const;   // it barked because nothing did
  bool stopped() const;  // it barks (or is about to) because of `stop`

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::git
