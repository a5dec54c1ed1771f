// The last lines of an output, kept while it runs.
#pragma once
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace slipway {

// Any thread.
class Tail {
 public:
  explicit Tail(std::size_t lines) : lines_(lines) {}

  void write(std::string_view bytes) {
    std::lock_guard lock(mutex_);
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      open_ += bytes.substr(0, end);
      // A line without end is kept from growing for ever.
      if (open_.size() > kLongest) open_.erase(0, open_.size() - kLongest);
      if (end == std::string_view::npos) return;
      kept_.push_back(std::move(open_));
      open_.clear();
      if (kept_.size() > lines_) kept_.pop_front();
      bytes.remove_prefix(end + 1);
    }
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& line : kept_) out += line + "\n";
    out += open_;
    while (out.ends_with('\n')) out.pop_back();
    return out;
  }

 private:
  static constexpr std::size_t kLongest = 2000;
  const std::size_t lines_;
  mutable std::mutex mutex_;
  std::deque<std::string> kept_;  // guarded by mutex_
  std::string open_;              // guarded by mutex_
};

}  // namespace slipway
