// ^C and TERM as stop tokens: the first asks to stop, the second to kill. One object per program.
#pragma once
#include <csignal>
#include <stop_token>
#include <thread>

#include "sys/fd.h"

namespace slipway::cli {

class Signals {
 public:
  Signals();  // blocks INT, TERM and HUP in this and all later threads, and starts the thread that waits for
              // them
  ~Signals();
  std::stop_token stop() const { return stop_.get_token(); }
  std::stop_token kill() const { return kill_.get_token(); }
  // What a program that was asked to stop ends with: 130 after ^C, 143 after TERM or HUP.
  static int exit_code();

 private:
  void wait();
  std::stop_source stop_, kill_;
  Fd signals_, end_;  // a signalfd, and an eventfd that ends the thread
  std::jthread thread_;
};

}  // namespace slipway::cli
