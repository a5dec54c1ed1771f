// A slipway that still runs: what it says until now, signals, its end.
#pragma once
#include <string>
#include <vector>

#include "support/slipway.h"

namespace slipway::test {

// Killed with its test.
class Live {
 public:
  Live(const User& user, std::vector<std::string> args, const fs::path& cwd = ".")
      : child_(user.command(std::move(args), cwd)) {}
  pid_t pid() const { return child_.pid(); }
  void signal(int number);
  // Waits for the end: the exit code, or 128 + the signal.
  int end();
  // Reads on until it has said `word`, on stdout or stderr; false after 20 seconds.
  bool says(const std::string& word);
  const std::string& said() const { return said_; }  // until now

 private:
  void read_on();

  Child child_;
  std::string said_;
};

}  // namespace slipway::test
