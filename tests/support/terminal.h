// A user at a terminal: slipway with a pseudo-terminal of its own as stdin, stdout and stderr.
#pragma once
#include <string>
#include <vector>

#include "support/slipway.h"

namespace slipway::test {

// Killed with its test.
class Terminal {
 public:
  Terminal(const User& user, std::vector<std::string> args, const fs::path& cwd = ".");
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(std::string_view keys);
  // Reads on until it has shown `word`; false after 20 seconds.
  bool shows(const std::string& word);
  const std::string& shown() const { return shown_; }  // until now, raw
  // Waits for the end: the exit code, or 128 + the signal.
  int end();
  bool echoes() const;  // what is typed is shown by the terminal itself, as a shell expects it

 private:
  void read_on();

  pid_t pid_ = -1;
  Fd terminal_, other_end_;  // the second keeps the settings alive when the program has ended
  std::string shown_;
};

}  // namespace slipway::test
