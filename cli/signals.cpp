#include "cli/signals.h"

#include <atomic>

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
  thread_ = std::jthread([this](std::stop_token ended) { wait(ended); });
}

Signals::~Signals() = default;

int Signals::received() {
  return first_signal;
}

void Signals::wait(std::stop_token ended) {
  const auto set = handled();
  while (!ended.stop_requested()) {
    // A bounded wait, so that the end of the program is noticed; signals themselves wake it at once.
    const timespec tick{0, 20'000'000};
    const int signal = sigtimedwait(&set, nullptr, &tick);
    if (signal <= 0) continue;
    int none = 0;
    if (first_signal.compare_exchange_strong(none, signal)) {
      stop_.request_stop();
    } else {
      kill_.request_stop();
    }
  }
}

}  // namespace slipway::cli
