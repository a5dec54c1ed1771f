// Bytes on their way, told on stderr: one line that changes on a terminal, a line now and then elsewhere.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "cli/command.h"

namespace slipway::cli {

class TransferProgress {
 public:
  // `what`: "pulling app:1".
  TransferProgress(const Session& session, std::string what);
  ~TransferProgress();  // the changing line goes
  void bytes(std::int64_t done, std::int64_t total);

 private:
  enum class Form { none, line, plain, json };
  void show(std::int64_t done, std::int64_t total);

  std::string what_;
  Form form_;
  std::chrono::steady_clock::time_point next_{};  // not shown again before
  bool shown_ = false;
};

}  // namespace slipway::cli
