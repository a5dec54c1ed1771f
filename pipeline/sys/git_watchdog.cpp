#include "sys/git_watchdog.h"

#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace slipway::git {

namespace {

using Clock = std::chrono::steady_clock;

sigset_t only_sigpipe() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  return set;
}

// SIGURG: ignored by default, so that a late one harms nobody. Without SA_RESTART a blocking call returns
// EINTR.
void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGURG, &action, nullptr);
  });
}

std::set<int> open_descriptors() {
  std::set<int> out;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir("/proc/self/fd"), ::closedir);
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr)
    if (entry->d_name[0] != '.') out.insert(std::atoi(entry->d_name));
  if (dir) out.erase(::dirfd(dir.get()));  // closed in a moment, its number free for the connection
  return out;
}

int peer_port(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return 0;
  if (peer.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port);
  if (peer.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(peer).sin6_port);
  return 0;
}

}  // namespace

struct Watchdog::Impl {
  std::stop_token stop;
  Millis silence;
  int port = 0;
  std::set<int> before = open_descriptors();
  pthread_t watched = ::pthread_self();
  std::atomic<Clock::rep> last{Clock::now().time_since_epoch().count()};
  std::atomic<bool> silent{false};
  sigset_t mask_before{};
  std::mutex mutex;
  std::condition_variable_any wake;
  bool done = false;  // guarded by mutex
  std::jthread thread;

  void watch() {
    std::unique_lock lock(mutex);
    while (!done) {
      const Clock::time_point deadline = Clock::time_point(Clock::duration(last.load())) + silence;
      if (stop.stop_requested() || Clock::now() >= deadline) {
        if (!stop.stop_requested()) silent = true;
        // Again and again: a signal that comes just before the call blocks interrupts nothing.
        ::pthread_kill(watched, SIGURG);
        for (const int fd : open_descriptors())
          if (port != 0 && !before.contains(fd) && peer_port(fd) == port) ::shutdown(fd, SHUT_RDWR);
        wake.wait_for(lock, Millis(20), [&] { return done; });
      } else {
        wake.wait_until(lock, stop, deadline, [&] { return done; });
      }
    }
  }
};

Watchdog::Watchdog(std::stop_token stop, Millis silence, int port) : impl_(std::make_unique<Impl>()) {
  install_handler();
  const auto pipe = only_sigpipe();
  ::pthread_sigmask(SIG_BLOCK, &pipe, &impl_->mask_before);
  impl_->stop = std::move(stop);
  impl_->silence = silence;
  impl_->port = port;
  impl_->thread = std::jthread([impl = impl_.get()] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    impl->watch();
  });
}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->done = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
  if (::sigismember(&impl_->mask_before, SIGPIPE)) return;
  // One that came meanwhile was for this thread alone (pipe(7)): taken away before it can strike.
  const auto pipe = only_sigpipe();
  const timespec at_once{};
  while (::sigtimedwait(&pipe, nullptr, &at_once) > 0) continue;
  ::pthread_sigmask(SIG_SETMASK, &impl_->mask_before, nullptr);
}

void Watchdog::alive() {
  impl_->last = Clock::now().time_since_epoch().count();
}
bool Watchdog::silent() const {
  return impl_->silent;
}
bool Watchdog::stopped() const {
  return impl_->stop.stop_requested();
}

}  // namespace slipway::git
