#include "plugins/local/shim/monitor.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <csignal>

#include "base/clock.h"
#include "base/error.h"
#include "sys/files.h"

namespace slipway::local {

Monitor::Monitor(const ReplicaOrder& order, const Container& container)
    : order_(order),
      container_(container),
      log_(order.dir / "log", order.log_bytes, order.log_files),
      delay_(std::chrono::milliseconds(order.restart_delay_ms)) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw_errno("wait for signals", errno);
  state_.shim = ::getpid();
  state_.shim_start = start_of(state_.shim);
  state_.status = "starting";
  save();
}

void Monitor::set(std::string status) {
  state_.status = std::move(status);
  save();
}

void Monitor::save() {
  state_.dropped_log_bytes = log_.dropped();
  try {
    write_file_atomic(order_.dir / "state.json", state_.to_json().dump(), 0600);
  } catch (const Error& e) {
    // The service goes on while the disk is full; the next change is written again.
    fmt::print(stderr, "{} {}\n", format_utc(now_micros()), e.str());
  }
}

void Monitor::run() {
  start();
  while (!stopping_ || child_) wait();
  set("stopped");
}

void Monitor::start() {
  start_at_.reset();
  try {
    child_.emplace(container_.start());
  } catch (const Error& e) {
    log_.write(true, "slipway-shim: " + e.str() + "\n");
    on_exit({127, 0});
    return;
  }
  open_[0] = open_[1] = true;
  started_ = Clock::now();
  state_.started = now_micros();
  state_.runner = child_->pid();
  set("running");
}

void Monitor::wait() {
  auto until = start_at_ ? start_at_ : kill_at_;
  int timeout = -1;
  if (until)
    timeout = static_cast<int>(std::max<std::int64_t>(
        0, std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count()));
  pollfd fds[3] = {{signals_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
  if (child_ && open_[0]) fds[1].fd = child_->out();
  if (child_ && open_[1]) fds[2].fd = child_->err();
  ::poll(fds, 3, timeout);
  if (fds[1].revents || fds[2].revents) read_output(false);
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGTERM) request_stop();
  if (child_)
    if (const auto status = child_->poll()) {
      read_output(true);
      child_.reset();
      on_exit(*status);
    }
  if (start_at_ && Clock::now() >= *start_at_) start();
  if (kill_at_ && Clock::now() >= *kill_at_) {
    kill_at_.reset();
    if (child_) child_->kill_group(SIGKILL);
  }
}

// What is there now; with `drain`, until there is no more.
void Monitor::read_output(bool drain) {
  char buffer[65536];
  bool more = true;
  while (more) {
    more = false;
    for (int i = 0; i < 2; ++i) {
      const int fd = i == 0 ? child_->out() : child_->err();
      pollfd ready{fd, POLLIN, 0};
      if (!open_[i] || ::poll(&ready, 1, 0) <= 0) continue;
      const auto count = ::read(fd, buffer, sizeof buffer);
      if (count > 0) {
        log_.write(i == 1, {buffer, static_cast<std::size_t>(count)});
        more = drain;
      } else if (count == 0 || errno != EINTR) {
        open_[i] = false;
      }
    }
  }
}

void Monitor::on_exit(const ExitStatus& status) {
  log_.flush();
  kill_at_.reset();
  state_.exit_code = status.code;
  state_.exited = now_micros();
  state_.runner = 0;
  ++state_.exits;
  if (stopping_) return;
  const auto now = Clock::now();
  start_at_ = now + delay_.after(std::chrono::duration_cast<std::chrono::milliseconds>(now - started_));
  set("waiting");
}

void Monitor::request_stop() {
  if (stopping_) return;
  stopping_ = true;
  start_at_.reset();
  set("stopping");
  if (!child_) return;
  kill_at_ = Clock::now() + std::chrono::milliseconds(order_.stop_grace_ms);
  // Nothing to signal: it is starting or ending just now.
  if (!Container::signal(*child_, signal_number(order_.stop_signal))) kill_at_ = Clock::now();
}

}  // namespace slipway::local
