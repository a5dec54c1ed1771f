// Progress as lines that only ever are added: for CI logs, pipes and dumb terminals.
#include <chrono>
#include <map>

#include "cli/console.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "plan/explain.h"

namespace slipway::cli {

namespace {

constexpr std::size_t kMaxName = 32;
constexpr std::size_t kFewLines = 5;     // so many cached or skipped steps in a row get a line each
constexpr Millis kHeartbeat{30'000};     // a silent run says that it lives
constexpr Millis kHoldbeat{300'000};     // one that only waits for people
constexpr Millis kKeys{100};             // how often the keyboard is read while a question stands open
constexpr Millis kProgressEvery{1'000};  // per step
constexpr std::size_t kMaxBuffer = 64 << 10;

using Time = std::chrono::steady_clock::time_point;

class PlainConsole : public Console {
 public:
  explicit PlainConsole(ConsoleSettings settings) : s_(std::move(settings)) {}

  void on(const Event& event) override {
    if (const auto* b = std::get_if<RunStarted>(&event.body)) {
      line(fmt::format("slipway {}  run {}  {}{}", SLIPWAY_VERSION, event.run, b->spec,
                       b->environment.empty() ? "" : fmt::format(" {} {}", s_.look.arrow(), b->environment)));
    } else if (std::get_if<RunPlan>(&event.body)) {
      measure();
    } else if (std::get_if<StepStarted>(&event.body)) {
      started(event);
    } else if (const auto* progress = std::get_if<StepProgress>(&event.body)) {
      progressed(event.step, *progress);
    } else if (const auto* log = std::get_if<StepLog>(&event.body)) {
      logged(event.step, *log);
    } else if (std::get_if<StepFinished>(&event.body)) {
      finished(event.step);
    } else if (std::get_if<RunFinished>(&event.body)) {
      tell_quiet_ones();
      buffer_ += summary_text(*s_.report, s_.look);
      if (s_.ci == "github") buffer_ += github_annotations(*s_.report);
    }
    if (buffer_.size() > kMaxBuffer) flush();
  }

  void idle() override {
    if (s_.stop.stop_requested() && !told_stop_ && !running_.empty()) {
      told_stop_ = true;
      line(fmt::format("stopping {} running {} (again: leave now)", running_.size(),
                       running_.size() == 1 ? "step" : "steps"));
    }
    const auto now = std::chrono::steady_clock::now();
    if (!running_.empty()) tell_quiet_ones();
    const bool holds = std::all_of(running_.begin(), running_.end(),
                                   [&](const auto& one) { return s_.report->find(one.first)->waits; });
    if (buffer_.empty() && !running_.empty() && now - last_output_ > (holds ? kHoldbeat : kHeartbeat))
      heartbeat(now);
    flush();
    const auto prompt = s_.prompt ? s_.prompt() : std::string();
    if (!prompt.empty() && !prompting_) s_.write(prompt);
    prompting_ = !prompt.empty();
  }
  void say(std::string_view text) override { line(text); }
  Millis idle_every() const override { return prompting_ ? kKeys : kHeartbeat / 3; }

 private:
  struct Running {
    Time since;
    std::string progress;
    Time progress_at{};
  };

  void line(std::string_view text) {
    buffer_ += text;
    buffer_ += '\n';
  }

  void flush() {
    if (buffer_.empty()) return;
    if (std::exchange(prompting_, false)) buffer_.insert(0, "\n");  // the question stands in this line
    s_.write(buffer_);
    buffer_.clear();
    last_output_ = std::chrono::steady_clock::now();
  }

  void measure() {
    for (const auto& step : s_.report->steps)
      name_width_ = std::max(name_width_, std::min(step.name.size(), kMaxName));
    total_ = s_.report->steps.size();
    digits_ = std::max<std::size_t>(2, fmt::formatted_size("{}", total_));
  }

  std::string counted(std::size_t number) const {
    return fmt::format("[{:>{}}/{}]", number, digits_, total_);
  }
  std::string uncounted() const { return fmt::format("[{:>{}}/{}]", "..", digits_, total_); }
  std::string named(const std::string& step) const {
    return step + std::string(step.size() < name_width_ ? name_width_ - step.size() : 0, ' ');
  }
  // "[ 1/14] ok      build.users  0.4s", without blanks at the end.
  void state_line(const std::string& count, std::string_view word, const std::string& step,
                  const std::string& rest, Paint paint = Paint::plain) {
    std::string text = fmt::format("{} {} {}", count, s_.look.paint(paint, fmt::format("{:<7}", word)),
                                   rest.empty() ? step : named(step) + "  " + rest);
    line(text);
  }

  void started(const Event& event) {
    tell_quiet_ones();
    running_[event.step].since = std::chrono::steady_clock::now();
    const auto* step = s_.report->find(event.step);
    if (event.attempt > 1)
      state_line(uncounted(), "again", event.step, fmt::format("attempt {}", event.attempt), Paint::yellow);
    else
      state_line(uncounted(), step && step->waits ? "hold" : "run", event.step,
                 step ? harmless(summarize_reason(step->cache_reason)) : "", Paint::cyan);
  }

  void progressed(const std::string& name, const StepProgress& progress) {
    auto& running = running_[name];
    const auto now = std::chrono::steady_clock::now();
    const auto text = harmless(progress.text);
    if (text.empty() || text == running.progress || now - running.progress_at < kProgressEvery) return;
    running.progress = text;
    running.progress_at = now;
    line(fmt::format("{} > {}", named(name), text));
  }

  void logged(const std::string& name, const StepLog& log) {
    tell_quiet_ones();
    const auto prefix = fmt::format("{} | ", named(name));
    for (auto text : lines_of(log.text)) {
      buffer_ += prefix;
      buffer_ += harmless(text);
      buffer_ += '\n';
    }
  }

  void finished(const std::string& name) {
    ++done_;
    running_.erase(name);
    const auto& step = *s_.report->find(name);
    const bool quiet = step.cached || step.result == Result::skip;
    if (quiet && !s_.verbose) {
      if (!quiet_.empty() && s_.report->find(quiet_.front())->cached != step.cached) tell_quiet_ones();
      quiet_.push_back(name);
      return;
    }
    tell_quiet_ones();
    finish_line(done_, step);
  }

  // Many steps of one kind in a row get one line.
  void tell_quiet_ones() {
    const auto names = std::exchange(quiet_, {});
    if (names.empty()) return;
    std::size_t number = done_ - names.size();
    if (names.size() <= kFewLines) {
      for (const auto& name : names) finish_line(++number, *s_.report->find(name));
      return;
    }
    const bool cached = s_.report->find(names.front())->cached;
    line(fmt::format("{} {:<7} {} steps, {} to {}", counted(done_), cached ? "cached" : "skip", names.size(),
                     names.front(), names.back()));
  }

  void finish_line(std::size_t number, const StepReport& step) {
    const auto count = counted(number);
    auto took = format_duration(step.took);
    if (const auto words = decision_words(step); !words.empty() && step.result == Result::success)
      took += "  " + harmless(words);
    if (step.cached)
      return state_line(count, "cached", step.name, summarize_reason(step.cache_reason), Paint::dim);
    switch (step.result) {
      case Result::success:
        return state_line(count, "ok", step.name, took, Paint::green);
      case Result::skip:
        return state_line(count, "skip", step.name, first_line(step.message), Paint::dim);
      case Result::cancellation:
        return state_line(count, "stopped", step.name, took, Paint::yellow);
      default:
        return state_line(count, step.ignored ? "ignored" : "FAIL", step.name,
                          fmt::format("{}  {}", took, ending_words(step)), Paint::red);
    }
  }

  void heartbeat(Time now) {
    for (const auto& [name, running] : running_) {
      const auto took = std::chrono::duration_cast<Millis>(now - running.since);
      state_line(uncounted(), s_.report->find(name)->waits ? "hold" : "run", name,
                 fmt::format("{}  {}", format_duration(took), running.progress));
    }
  }

  ConsoleSettings s_;
  std::string buffer_;
  std::size_t total_ = 0, done_ = 0, digits_ = 2, name_width_ = 0;
  std::map<std::string, Running> running_;
  std::vector<std::string> quiet_;  // cached or skipped, and not told yet
  Time last_output_ = std::chrono::steady_clock::now();
  bool told_stop_ = false;
  bool prompting_ = false;  // the last line written is a question
};

}  // namespace

std::unique_ptr<Console> make_plain_console(ConsoleSettings settings) {
  return std::make_unique<PlainConsole>(std::move(settings));
}

}  // namespace slipway::cli
