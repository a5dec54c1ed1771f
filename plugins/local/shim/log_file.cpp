#include "plugins/local/shim/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"

namespace slipway::local {

namespace fs = std::filesystem;

constexpr std::size_t kLongest = 16u << 10;

LogFile::LogFile(fs::path path, std::uint64_t max_bytes, int files)
    : path_(std::move(path)), max_bytes_(max_bytes), files_(std::max(files, 1)) {
  open();
}

void LogFile::open() {
  fd_ = Fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  struct stat info {};
  size_ = fd_ && ::fstat(fd_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

void LogFile::rotate() {
  fd_.reset();
  std::error_code ec;  // a rename that fails only lets the file grow
  for (int n = files_ - 1; n >= 1; --n) {
    const auto from = n == 1 ? path_ : fs::path(fmt::format("{}.{}", path_.string(), n - 1));
    fs::rename(from, fmt::format("{}.{}", path_.string(), n), ec);
  }
  if (files_ == 1) fs::remove(path_, ec);
  open();
}

void LogFile::line(bool error_stream, std::string_view text) {
  const auto out = fmt::format("{} {} {}\n", format_utc(now_micros()), error_stream ? "err" : "out", text);
  if (size_ > 0 && size_ + out.size() > max_bytes_) rotate();
  if (!fd_) open();
  const auto written = fd_ ? ::write(fd_.get(), out.data(), out.size()) : -1;
  if (written == static_cast<ssize_t>(out.size())) {
    size_ += out.size();
    return;
  }
  dropped_ += out.size();
  // Half a line must not become the beginning of the next.
  if (written > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0)
    size_ += static_cast<std::uint64_t>(written);
}

void LogFile::write(bool error_stream, std::string_view bytes) {
  auto& held = held_[error_stream ? 1 : 0];
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    held.append(bytes.substr(0, end));
    while (held.size() > kLongest) {
      line(error_stream, std::string_view(held).substr(0, kLongest));
      held.erase(0, kLongest);
    }
    if (end == std::string_view::npos) return;
    line(error_stream, held);
    held.clear();
    bytes.remove_prefix(end + 1);
  }
}

void LogFile::flush() {
  for (const bool error_stream : {false, true}) {
    auto& held = held_[error_stream ? 1 : 0];
    if (!held.empty()) line(error_stream, held);
    held.clear();
  }
}

}  // namespace slipway::local
