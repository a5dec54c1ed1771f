// The consoles without a screen: the raw event stream, and the one that speaks of failures only.
#include "cli/console.h"
#include "cli/summary.h"

namespace slipway::cli {

namespace {

constexpr std::size_t kMaxBuffer = 64 << 10;

class JsonConsole : public Console {
 public:
  explicit JsonConsole(ConsoleSettings settings) : s_(std::move(settings)) {}
  void on(const Event& event) override {
    buffer_ += to_line(event);
    if (buffer_.size() > kMaxBuffer) idle();
  }
  void idle() override {
    if (buffer_.empty()) return;
    s_.write(buffer_);
    buffer_.clear();
  }
  void say(std::string_view) override {}  // the stream holds events only

 private:
  ConsoleSettings s_;
  std::string buffer_;
};

class QuietConsole : public Console {
 public:
  explicit QuietConsole(ConsoleSettings settings) : s_(std::move(settings)) {}
  void on(const Event& event) override {
    const auto* end = std::get_if<RunFinished>(&event.body);
    if (end && end->result != Result::success) s_.write(summary_text(*s_.report, s_.look));
  }
  void idle() override {}
  // Silent as it is, it does not wait for somebody without a word.
  void say(std::string_view line) override { s_.write(fmt::format("{}\n", line)); }

 private:
  ConsoleSettings s_;
};

}  // namespace

std::unique_ptr<Console> make_json_console(ConsoleSettings settings) {
  return std::make_unique<JsonConsole>(std::move(settings));
}

std::unique_ptr<Console> make_quiet_console(ConsoleSettings settings) {
  return std::make_unique<QuietConsole>(std::move(settings));
}

std::unique_ptr<Console> make_console(std::string_view mode, ConsoleSettings settings) {
  if (mode == "json") return make_json_console(std::move(settings));
  if (mode == "quiet") return make_quiet_console(std::move(settings));
  if (mode == "tty") return make_tty_console(std::move(settings));
  return make_plain_console(std::move(settings));
}

}  // namespace slipway::cli
