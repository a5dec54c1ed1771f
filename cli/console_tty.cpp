// Progress on a terminal: what has ended stands above, what runs is redrawn below it. Not an alternate
// screen: the whole story stays in the scrollback.
#include <chrono>
#include <deque>
#include <map>

#include "cli/console.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "plan/explain.h"

namespace slipway::cli {

namespace {

constexpr Millis kTick{100};
constexpr std::size_t kMaxName = 28;
constexpr std::size_t kFewLines = 5;
constexpr std::size_t kTailLines = 3;  // of the log of a running step
// DEC mode 2026: the terminal shows the drawing when it is whole. Unknown elsewhere, and ignored.
constexpr std::string_view kBegin = "\x1b[?2026h", kEnd = "\x1b[?2026l";

using Time = std::chrono::steady_clock::time_point;

Time now() {
  return std::chrono::steady_clock::now();
}

std::string amount(const StepProgress& p) {
  const auto one = [&](std::int64_t n) {
    return p.unit == "B" ? format_size(static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0)))
                         : fmt::format("{}", n);
  };
  if (p.total > 0) return fmt::format("{}/{}", one(p.current), one(p.total));
  return p.current > 0 ? one(p.current) : std::string();
}

class TtyConsole : public Console {
 public:
  explicit TtyConsole(ConsoleSettings settings) : s_(std::move(settings)) {}

  void on(const Event& event) override {
    if (std::get_if<RunStarted>(&event.body)) {
      began_ = now();
    } else if (std::get_if<RunPlan>(&event.body)) {
      for (const auto& step : s_.report->steps)
        name_width_ = std::max(name_width_, std::min(columns_of(step.name), kMaxName));
    } else if (std::get_if<StepStarted>(&event.body)) {
      tell_quiet_ones();
      auto& running = running_[event.step];
      if (event.attempt == 1) running.since = now();
      running.attempt = event.attempt;
    } else if (const auto* progress = std::get_if<StepProgress>(&event.body)) {
      auto& running = running_[event.step];
      running.text = harmless(progress->text);
      running.amount = amount(*progress);
    } else if (const auto* log = std::get_if<StepLog>(&event.body)) {
      logged(event.step, *log);
    } else if (const auto question = approval_asked(event)) {
      asked(event.step, *question);
    } else if (std::get_if<StepFinished>(&event.body)) {
      finished(event.step);
    } else if (std::get_if<RunFinished>(&event.body)) {
      tell_quiet_ones();
      above_ += summary_text(*s_.report, s_.look);
      running_.clear();
      over_ = true;
    }
  }

  void idle() override {
    if (!over_ && above_.empty() && now() - drawn_at_ < kTick) return;
    draw();
  }
  void say(std::string_view text) override { above_ += fmt::format("   {}\n", harmless(text)); }
  Millis idle_every() const override { return kTick; }

 private:
  struct Running {
    Time since = now();
    int attempt = 1;
    std::string text, amount;
    std::deque<std::string> tail;
  };

  void logged(const std::string& name, const StepLog& log) {
    auto& tail = running_[name].tail;
    const auto lines = lines_of(log.text);
    const std::size_t from = lines.size() > kTailLines ? lines.size() - kTailLines : 0;
    for (std::size_t i = from; i < lines.size(); ++i) {
      auto text = harmless(lines[i]);
      if (text.empty()) continue;
      tail.push_back(std::move(text));
      if (tail.size() > kTailLines) tail.pop_front();
    }
  }

  // What somebody is to agree to stays on the screen.
  void asked(const std::string& name, const ApprovalAsked& question) {
    tell_quiet_ones();
    running_[name].tail.clear();
    above_ += fmt::format(" {} {}\n", hold_mark(), s_.look.paint(Paint::bold, name));
    for (const auto& line : question.lines)
      above_ += fmt::format("   {} {}\n", s_.look.bar(), harmless(line));
  }
  std::string_view hold_mark() const { return s_.look.unicode ? "⏸" : "hold"; }

  void finished(const std::string& name) {
    ++done_;
    running_.erase(name);
    const auto& step = *s_.report->find(name);
    if (!s_.verbose && (step.cached || step.result == Result::skip)) {
      if (!quiet_.empty() && s_.report->find(quiet_.front())->cached != step.cached) tell_quiet_ones();
      quiet_.push_back(name);
      return;
    }
    tell_quiet_ones();
    end_line(step);
  }

  void tell_quiet_ones() {
    const auto names = std::exchange(quiet_, {});
    if (names.size() <= kFewLines) {
      for (const auto& name : names) end_line(*s_.report->find(name));
      return;
    }
    const auto& first = *s_.report->find(names.front());
    above_ += fmt::format(" {} {} steps {}\n", s_.look.mark(first.result, first.cached), names.size(),
                          first.cached ? "cached" : "skipped");
  }

  void end_line(const StepReport& step) {
    std::string state;
    if (step.cached) {
      const auto why = summarize_reason(step.cache_reason);
      state = why.empty() ? "cached" : "cached  " + why;
    } else if (step.result == Result::success) {
      const auto words = decision_words(step);
      state = format_duration(step.took) + (words.empty() ? "" : "  " + harmless(words));
    } else if (step.result == Result::skip) {
      state = first_line(step.message);
    } else {
      state = fmt::format("{}  {}", format_duration(step.took), ending_words(step));
    }
    const bool quiet = step.cached || step.result == Result::skip;
    above_ += fmt::format(" {} {}  {}\n", s_.look.mark(step.result, step.cached),
                          pad(step.name, name_width_, s_.look.unicode),
                          s_.look.paint(quiet ? Paint::dim : Paint::plain,
                                        fit(state, width() - 8 - name_width_, s_.look.unicode)));
  }

  std::size_t width() const { return static_cast<std::size_t>(std::max(40, s_.size().second)) - 1; }

  // ---- the part that is redrawn ----

  void add(std::vector<std::string>& region, std::string_view text, Paint paint = Paint::plain) const {
    region.push_back(s_.look.paint(paint, fit(text, width(), s_.look.unicode)));
  }

  std::vector<std::string> region() const {
    std::vector<std::string> out;
    if (over_) return out;
    const auto& report = *s_.report;
    const auto space = static_cast<std::size_t>(std::max(6, s_.size().first)) - 3;
    std::string head = fmt::format("{}{}{}  {}  {}/{}", report.spec,
                                   report.environment.empty() ? "" : fmt::format(" {} ", s_.look.arrow()),
                                   report.environment, report.run, done_, report.steps.size());
    head += "  " + format_duration(std::chrono::duration_cast<Millis>(now() - began_));
    add(out, head, Paint::bold);
    const std::size_t shown = std::min(running_.size(), space > 2 ? space - 2 : 1);
    const std::size_t tail = shown ? std::min(kTailLines, (space - 1 - shown) / shown) : 0;
    std::size_t count = 0;
    for (const auto& [name, running] : running_) {
      if (count++ == shown) break;
      add_running(out, name, running, tail);
    }
    if (running_.size() > shown) add(out, fmt::format("   and {} more", running_.size() - shown), Paint::dim);
    if (s_.stop.stop_requested())
      add(out, fmt::format(" stopping {} running steps (^C again: leave now)", running_.size()),
          Paint::yellow);
    return out;
  }

  void add_running(std::vector<std::string>& out, const std::string& name, const Running& running,
                   std::size_t tail) const {
    const auto time = format_duration(std::chrono::duration_cast<Millis>(now() - running.since));
    std::string state = running.text;
    if (running.attempt > 1) state = fmt::format("attempt {}  {}", running.attempt, state);
    if (!running.amount.empty()) state += (state.empty() ? "" : "  ") + running.amount;
    const auto left = fmt::format(" {} {}  ",
                                  s_.report->find(name)->waits ? hold_mark()
                                  : s_.look.unicode            ? "▸"
                                                               : ">",
                                  pad(name, name_width_, s_.look.unicode));
    const auto used = columns_of(left) + columns_of(time) + 1;
    const auto room = width() > used ? width() - used : 0;
    out.push_back(left + pad(state, room, s_.look.unicode) + " " + time);
    const std::size_t from = running.tail.size() > tail ? running.tail.size() - tail : 0;
    for (std::size_t i = from; i < running.tail.size(); ++i)
      add(out, fmt::format("   {} {}", s_.look.bar(), running.tail[i]), Paint::dim);
  }

  void draw() {
    std::string out(kBegin);
    if (drawn_) out += fmt::format("\x1b[{}A", drawn_);
    out += "\r\x1b[J";
    out += std::exchange(above_, {});
    const auto lines = region();
    for (const auto& line : lines) out += line + "\n";
    drawn_ = lines.size();
    // The last thing, without a newline: the cursor stands behind what is typed.
    if (s_.prompt && !over_) out += fit(s_.prompt(), width(), s_.look.unicode);
    drawn_at_ = now();
    out += kEnd;
    s_.write(out);
  }

  ConsoleSettings s_;
  std::string above_;  // ended, and not written yet
  std::map<std::string, Running> running_;
  std::vector<std::string> quiet_;
  std::size_t done_ = 0, name_width_ = 8, drawn_ = 0;
  Time began_ = now(), drawn_at_{};
  bool over_ = false;
};

}  // namespace

std::unique_ptr<Console> make_tty_console(ConsoleSettings settings) {
  return std::make_unique<TtyConsole>(std::move(settings));
}

}  // namespace slipway::cli
