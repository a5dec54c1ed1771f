// Where bytes go while a run lasts: a file, or a descriptor that was here before us.
#pragma once
#include <string>
#include <string_view>

#include "sys/fd.h"

namespace slipway::cli {

// Writes everything, also to a pipe or terminal that takes it in parts. Once a write has failed (the reader
// went away, the disk is full) the rest is dropped: a run does not fail because nobody watches it. One
// thread.
class OutputFile {
 public:
  explicit OutputFile(int borrowed) : fd_(borrowed) {}
  explicit OutputFile(Fd owned) : owned_(std::move(owned)), fd_(owned_.get()) {}
  void write(std::string_view bytes);
  int error() const { return error_; }  // errno of the failed write, or 0

 private:
  Fd owned_;
  int fd_;
  int error_ = 0;
};

// What --events names: FILE, - (stdout) or fd:N. Throws Error(usage or unavailable).
OutputFile open_events(const std::string& target);

}  // namespace slipway::cli
