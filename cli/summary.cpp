#include "cli/summary.h"

#include "base/diagnostics.h"
#include "base/error.h"
#include "cli/text.h"
#include "sys/files.h"

namespace slipway::cli {

namespace {

constexpr std::size_t kLogLines = 20;
constexpr std::size_t kDetailLines = 60;
constexpr std::size_t kMaxFailures = 10;  // shown whole; the rest by name
constexpr std::uint64_t kMaxSpec = 4 << 20;

bool went_wrong(const StepReport& step) {
  return step.finished &&
         (step.result == Result::failure || step.result == Result::error || step.result == Result::timeout);
}

std::string indented(std::string_view text, std::string_view with, std::size_t at_most) {
  std::string out;
  const auto lines = lines_of(text);
  const std::size_t from = lines.size() > at_most ? lines.size() - at_most : 0;
  if (from) out += fmt::format("{}({} lines before are left out)\n", with, from);
  for (std::size_t i = from; i < lines.size(); ++i) out += fmt::format("{}{}\n", with, harmless(lines[i]));
  return out;
}

// The line of the spec at fault; the file may have changed or gone since.
std::string frame(const Location& where) {
  if (!where.known() || where.line <= 0) return {};
  try {
    const auto text = read_file_if_exists(where.file, kMaxSpec);
    return text ? code_frame(*text, where) : std::string();
  } catch (const Error&) {
    return {};  // only a picture of it is missing: the place itself is named
  }
}

bool shows_its_log(const StepReport& step) {
  if (step.last_lines.empty()) return false;
  const auto detail = lines_of(step.detail);
  return detail.empty() || std::string_view(step.last_lines.back()) != detail.back();
}

std::string path_text(const Report& report, const Look& look) {
  Millis sum{0};
  std::vector<std::string> parts;
  for (const auto& name : report.critical_path) {
    const auto* step = report.find(name);
    if (!step || step->cached || step->took < Millis(50)) continue;
    sum += step->took;
    parts.push_back(fmt::format("{} {}", name, format_duration(step->took)));
  }
  if (parts.size() < 2) return {};
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : fmt::format(" {} ", look.arrow())) + part;
  const auto share = report.took.count() ? 100 * sum.count() / report.took.count() : 0;
  return fmt::format("  path  {} ({}% of {})\n", out, std::min<std::int64_t>(share, 100),
                     format_duration(report.took));
}

std::string urls_text(const Report& report) {
  std::string out;
  for (const auto& step : report.steps) {
    const auto urls = step.outputs.is_object() ? step.outputs.find("urls") : step.outputs.end();
    if (step.result != Result::success || urls == step.outputs.end() || !urls->is_object()) continue;
    for (const auto& [name, url] : urls->items())
      if (url.is_string())
        out += fmt::format("  live  {}  {}\n", harmless(name), harmless(url.get<std::string>()));
  }
  return out;
}

std::string title(const Report& report, const Look& look) {
  if (report.environment.empty()) return report.spec;
  return fmt::format("{} {} {}", report.spec, look.arrow(), report.environment);
}

std::string counts_text(const Tally& t, const Look& look) {
  std::vector<std::string> parts;
  if (t.failed) parts.push_back(fmt::format("{} failed", t.failed));
  if (t.ignored) parts.push_back(fmt::format("{} failed and ignored", t.ignored));
  if (t.stopped) parts.push_back(fmt::format("{} stopped", t.stopped));
  if (t.ran) parts.push_back(fmt::format("{} ran", t.ran));
  if (t.cached) {
    parts.push_back(t.saved >= Millis(1000)
                        ? fmt::format("{} cached ({} saved)", t.cached, format_duration(t.saved))
                        : fmt::format("{} cached", t.cached));
  }
  if (t.skipped) parts.push_back(fmt::format("{} skipped", t.skipped));
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out.empty() ? std::string() : fmt::format(" {} {}", look.dot(), out);
}

std::string next_text(const Report& report) {
  std::string out = fmt::format("  next  slipway resume {}   goes on, keeps what is done\n", report.run);
  for (const auto& step : report.steps)
    if (went_wrong(step) && !step.ignored && step.log_lines > kLogLines)
      return out + fmt::format("        slipway runs {} --log {}   its whole log\n", report.run, step.name);
  return out;
}

std::string escaped_data(std::string_view text, bool property) {
  std::string out;
  for (char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ',')))
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

}  // namespace

Tally tally(const Report& report) {
  Tally t;
  for (const auto& step : report.steps) {
    if (!step.finished) continue;
    if (step.result == Result::skip) {
      ++t.skipped;
    } else if (step.result == Result::cancellation) {
      ++t.stopped;
    } else if (step.result != Result::success) {
      ++(step.ignored ? t.ignored : t.failed);
    } else if (step.cached) {
      ++t.cached;
      if (step.cache_reason.is_object())
        if (auto ms = step.cache_reason.find("ms"); ms != step.cache_reason.end() && ms->is_number_integer())
          t.saved += Millis(ms->get<std::int64_t>());
    } else {
      ++t.ran;
    }
  }
  return t;
}

bool did_nothing(const Report& report) {
  if (report.result != Result::success || report.steps.empty()) return false;
  for (const auto& step : report.steps) {
    // Sources and gates only look.
    if (step.cached || step.result == Result::skip || step.phase == "source" || step.phase == "gate")
      continue;
    if (step.outputs.is_object() && step.outputs.value("decision", json()) == "not needed") continue;
    if (step.result != Result::success || !step.outputs.is_object()) return false;
    const auto changed = step.outputs.find("changed");
    if (changed == step.outputs.end() || !(changed->empty() || *changed == false)) return false;
  }
  return true;
}

std::string ending_words(const StepReport& step) {
  const auto message = first_line(step.message);
  switch (step.result) {
    case Result::failure:
      return message.empty() ? "failed" : "failed: " + message;
    case Result::error:
      return message.empty() ? "cannot go on" : "cannot go on: " + message;
    default:
      return message.empty() ? std::string(to_string(step.result)) : message;
  }
}

std::string decision_words(const StepReport& step) {
  if (!step.decision) return {};
  const auto& [answer, by, at, how, why] = *step.decision;
  return fmt::format("{} by {}{}", answer, by, why.empty() ? "" : ": " + why);
}

std::string failure_text(const StepReport& step, const Look& look) {
  std::string out = fmt::format(
      "{} {} {}{}\n", look.mark(step.result), look.paint(Paint::bold, step.name), ending_words(step),
      step.started ? fmt::format(" (after {})", format_duration(step.took)) : std::string());
  if (step.where.known()) {
    out += fmt::format("  {}\n", look.paint(Paint::dim, step.where.str()));
    // Mistakes in a file bring their frames along, from the text as it was read.
    if (const auto end = step.message.find('\n'); end != std::string::npos)
      out += indented(std::string_view(step.message).substr(end + 1), "  ", kDetailLines);
    else
      out += indented(frame(step.where), "  ", kDetailLines);
  }
  out += indented(step.detail, "  ", kDetailLines);
  if (shows_its_log(step)) {
    const auto count = std::min(step.last_lines.size(), kLogLines);
    const auto heading = step.log_lines > count ? fmt::format("last {} of {} lines", count, step.log_lines)
                                                : std::string("its log");
    out += fmt::format("  {}\n", look.paint(Paint::dim, heading));
    for (std::size_t i = step.last_lines.size() - count; i < step.last_lines.size(); ++i)
      out += fmt::format("  {} {}\n", look.paint(Paint::dim, look.bar()), harmless(step.last_lines[i]));
  }
  if (!step.hint.empty()) out += fmt::format("  hint: {}\n", harmless(step.hint));
  return out;
}

std::string summary_text(const Report& report, const Look& look) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& step : report.steps) {
    if (!went_wrong(step)) continue;
    if (++shown <= kMaxFailures)
      out += "\n" + failure_text(step, look);
    else
      out += fmt::format("{} {} {}\n", look.mark(step.result), step.name, ending_words(step));
  }
  if (shown) out += "\n";
  const Tally t = tally(report);
  const auto mark = look.mark(report.result), took = format_duration(report.took);
  if (did_nothing(report)) {
    out += fmt::format("{} {}: nothing to do, all {} steps are as they were {} run {}, {}\n", mark,
                       title(report, look), report.steps.size(), look.dot(), report.run, took);
    return out + urls_text(report);
  }
  const auto tail = fmt::format(" {} run {}{}\n", look.dot(), report.run, counts_text(t, look));
  if (report.result == Result::success) {
    out += fmt::format("{} {} done in {}{}", mark, look.paint(Paint::bold, title(report, look)), took, tail);
    return out + urls_text(report) + path_text(report, look);
  }
  const auto* word = report.result == Result::cancellation ? "stopped" : "FAILED";
  out += fmt::format("{} {} {} after {} (exit {}){}", mark, look.paint(Paint::bold, title(report, look)),
                     word, took, report.exit, tail);
  return out + next_text(report);
}

std::string github_annotations(const Report& report) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& step : report.steps) {
    if (!went_wrong(step) || ++shown > 10) continue;
    std::string place;
    if (step.where.known())
      place = fmt::format("file={},line={},", escaped_data(step.where.file, true), step.where.line);
    out += fmt::format("::{} {}title={}::{}\n", step.ignored ? "warning" : "error", place,
                       escaped_data(step.name, true), escaped_data(ending_words(step), false));
  }
  return out;
}

}  // namespace slipway::cli
