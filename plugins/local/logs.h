// Reading what slipway-shim wrote: the last lines of a replica, and what comes after them.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::local {

struct LogLine {
  std::string time;  // RFC 3339
  bool error_stream = false;
  std::string text;
};

// Splits "TIME out TEXT"; a line of another form is text only.
LogLine parse_log_line(std::string_view line);

// The last `count` lines, from the rotated files too, the oldest first.
std::vector<LogLine> tail(const std::filesystem::path& log, std::size_t count);

// Follows a log across rotations. Begins at its end, as it is now.
class LogFollower {
 public:
  explicit LogFollower(std::filesystem::path log);
  std::vector<LogLine> next();  // what came since; whole lines

 private:
  void read_to_end(std::vector<LogLine>& out);

  std::filesystem::path log_;
  std::uint64_t inode_ = 0, offset_ = 0;
  std::string held_;
};

}  // namespace slipway::local
