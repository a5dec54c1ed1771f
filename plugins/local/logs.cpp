#include "plugins/local/logs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "sys/fd.h"
#include "sys/files.h"

namespace slipway::local {

LogLine parse_log_line(std::string_view line) {
  const auto first = line.find(' ');
  if (first == std::string_view::npos || line.size() < first + 4) return {"", false, std::string(line)};
  const auto stream = line.substr(first + 1, 3);
  if (stream != "out" && stream != "err") return {"", false, std::string(line)};
  const auto text = line.size() > first + 5 ? line.substr(first + 5) : std::string_view();
  return {std::string(line.substr(0, first)), stream == "err", std::string(text)};
}

std::vector<LogLine> tail(const fs::path& log, std::size_t count) {
  std::vector<LogLine> out;
  if (count == 0) return out;
  for (int n = 0; out.size() < count; ++n) {
    const auto file = n == 0 ? log : fs::path(fmt::format("{}.{}", log.string(), n));
    const auto text = read_file_if_exists(file);
    if (!text) {
      if (n == 0) continue;  // just being rotated
      break;
    }
    std::size_t end = text->size();
    while (end > 0 && out.size() < count) {
      const auto before = end >= 2 ? text->rfind('\n', end - 2) : std::string::npos;
      const auto from = before == std::string::npos ? 0 : before + 1;
      auto line = std::string_view(*text).substr(from, end - from);
      if (line.ends_with('\n')) line.remove_suffix(1);
      out.push_back(parse_log_line(line));
      end = from;
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

LogFollower::LogFollower(fs::path log) : log_(std::move(log)) {
  struct stat info {};
  if (::stat(log_.c_str(), &info) == 0) {
    inode_ = info.st_ino;
    offset_ = static_cast<std::uint64_t>(info.st_size);
  }
}

std::vector<LogLine> LogFollower::next() {
  std::vector<LogLine> out;
  struct stat info {};
  if (::stat(log_.c_str(), &info) != 0) return out;
  if (info.st_ino != inode_) {
    // Rotated: the rest of the old file first, then the new one from its beginning.
    struct stat old {};
    const auto current = log_;
    const auto rotated = fs::path(log_.string() + ".1");
    if (inode_ != 0 && ::stat(rotated.c_str(), &old) == 0 && old.st_ino == inode_) {
      log_ = rotated;
      read_to_end(out);
      log_ = current;
    }
    inode_ = info.st_ino;
    offset_ = 0;
  }
  read_to_end(out);
  return out;
}

void LogFollower::read_to_end(std::vector<LogLine>& out) {
  const Fd fd(::open(log_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return;
  char buffer[65536];
  for (ssize_t count; (count = ::pread(fd.get(), buffer, sizeof buffer, static_cast<off_t>(offset_))) > 0;) {
    offset_ += static_cast<std::uint64_t>(count);
    held_.append(buffer, static_cast<std::size_t>(count));
  }
  for (std::size_t end; (end = held_.find('\n')) != std::string::npos; held_.erase(0, end + 1))
    out.push_back(parse_log_line(std::string_view(held_).substr(0, end)));
}

}  // namespace slipway::local
