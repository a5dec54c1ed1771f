// The log of one replica: a line of text each, with its time and stream, in files of bounded size.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "sys/fd.h"

namespace slipway::local {

// "2026-11-23T19:17:05.297876Z out TEXT" lines in `path`; when it is full it becomes `path`.1, that `path`.2,
// and so on, `files` in all. A disk that is full costs lines, never the service: they are counted. Lines over
// 16 KiB are cut into several.
class LogFile {
 public:
  LogFile(std::filesystem::path path, std::uint64_t max_bytes, int files);
  void write(bool error_stream, std::string_view bytes);  // any chunking
  void flush();                                           // ends unfinished lines
  std::uint64_t dropped() const { return dropped_; }      // bytes

 private:
  void line(bool error_stream, std::string_view text);
  void rotate();
  void open();

  std::filesystem::path path_;
  std::uint64_t max_bytes_, size_ = 0, dropped_ = 0;
  int files_;
  Fd fd_;
  std::string held_[2];  // an unfinished line of each stream
};

}  // namespace slipway::local
