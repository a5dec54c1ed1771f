#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <atomic>
#include <cerrno>

#include "base/error.h"

namespace slipway::cli {

namespace {
std::atomic<int> first_signal{0};

sigset_t handled() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, s);
  return set;
}
}  // namespace

Signals::Signals() {
  const auto set = handled();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC));
  end_ = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!signals_ || !end_) throw_errno("wait for signals", errno);
  thread_ = std::jthread([this] { wait(); });
}

Signals::~Signals() {
  ::eventfd_write(end_.get(), 1);
}

int Signals::exit_code() {
  const int signal = first_signal;
  return static_cast<int>(signal == 0 || signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated);
}

void Signals::wait() {
  for (;;) {
    pollfd fds[] = {{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;  // interrupted
    if (fds[1].revents) return;
    signalfd_siginfo info{};
    if (!fds[0].revents || ::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    int none = 0;
    if (first_signal.compare_exchange_strong(none, static_cast<int>(info.ssi_signo))) {
      stop_.request_stop();
    } else {
      kill_.request_stop();
    }
  }
}

}  // namespace slipway::cli
