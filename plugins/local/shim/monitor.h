// The life of one replica: started, its output logged, started again after an exit, stopped on SIGTERM.
#pragma once
#include <chrono>
#include <optional>

#include "plugins/local/replica_record.h"
#include "plugins/local/shim/container.h"
#include "plugins/local/shim/log_file.h"
#include "plugins/local/shim/restart_delay.h"

namespace slipway::local {

// One thread. SIGTERM and SIGCHLD are blocked by the caller and read here.
class Monitor {
 public:
  Monitor(const ReplicaOrder& order, const Container& container);
  // Until SIGTERM: then the stop signal, the grace time, and SIGKILL.
  void run();

 private:
  using Clock = std::chrono::steady_clock;

  void start();
  void wait();
  void read_output(bool drain);
  void on_exit(const ExitStatus& status);
  void request_stop();
  void set(std::string status);
  void save();

  const ReplicaOrder& order_;
  const Container& container_;
  LogFile log_;
  ReplicaState state_;
  std::optional<Child> child_;
  Fd signals_;
  bool open_[2] = {false, false};  // out, err
  bool stopping_ = false;
  RestartDelay delay_;
  Clock::time_point started_{};
  std::optional<Clock::time_point> start_at_;  // waiting to be restarted
  std::optional<Clock::time_point> kill_at_;   // the stop signal was sent
};

}  // namespace slipway::local
