#include "base/clock.h"

#include <cmath>
#include <ctime>

namespace slipway {

std::int64_t now_micros() {
  return std::chrono::duration_cast<Micros>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string format_utc(std::int64_t micros) {
  // Events come by the thousand in a second: all but the fraction is the same then.
  static thread_local std::time_t known = -1;
  static thread_local std::string text;  // "2026-11-23T19:17:05"
  const auto seconds = static_cast<std::time_t>(micros / 1'000'000);
  if (seconds != known || text.empty()) {
    std::tm tm{};
    gmtime_r(&seconds, &tm);
    text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                       tm.tm_hour, tm.tm_min, tm.tm_sec);
    known = seconds;
  }
  return fmt::format("{}.{:06}Z", text, micros % 1'000'000);
}

namespace {

// A leading decimal number ("1", "1.5"), removed from `text`.
std::optional<double> take_number(std::string_view& text) {
  std::size_t n = 0;
  bool dot = false, digit = false;
  while (n < text.size() && ((text[n] >= '0' && text[n] <= '9') || (text[n] == '.' && !dot))) {
    if (text[n] == '.')
      dot = true;
    else
      digit = true;
    ++n;
  }
  if (!digit || n > 18) return std::nullopt;
  const double value = std::stod(std::string(text.substr(0, n)));
  text.remove_prefix(n);
  return value;
}

}  // namespace

std::optional<Millis> parse_duration(std::string_view text) {
  if (text == "0") return Millis(0);
  if (text.empty()) return std::nullopt;
  constexpr std::pair<std::string_view, double> units[] = {{"ms", 1},   {"us", 0.001}, {"s", 1000},
                                                           {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
  double total = 0;
  while (!text.empty()) {
    auto number = take_number(text);
    if (!number) return std::nullopt;
    bool found = false;
    for (auto [name, factor] : units) {
      if (!text.starts_with(name)) continue;
      total += *number * factor;
      text.remove_prefix(name.size());
      found = true;
      break;
    }
    if (!found) return std::nullopt;
  }
  if (total > 10.0 * 366 * 86400e3) return std::nullopt;
  return Millis(static_cast<std::int64_t>(std::llround(total)));
}

std::string format_duration(Millis span) {
  const auto ms = span.count();
  if (ms < 60'000) return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000.0);
  if (ms < 3'600'000) return fmt::format("{}m{:02}s", ms / 60'000, ms / 1000 % 60);
  return fmt::format("{}h{:02}m", ms / 3'600'000, ms / 60'000 % 60);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  auto number = take_number(text);
  if (!number) return std::nullopt;
  if (text.starts_with(' ')) text.remove_prefix(1);
  std::string unit;
  for (char c : text) unit += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (unit.ends_with("ib"))
    unit.resize(unit.size() - 2);
  else if (unit.ends_with("b"))
    unit.resize(unit.size() - 1);
  double factor = 0;
  if (unit.empty())
    factor = 1;
  else if (unit == "k")
    factor = 1024;
  else if (unit == "m")
    factor = 1024.0 * 1024;
  else if (unit == "g")
    factor = 1024.0 * 1024 * 1024;
  else if (unit == "t")
    factor = 1024.0 * 1024 * 1024 * 1024;
  if (factor == 0 || *number * factor > 9e18) return std::nullopt;
  return static_cast<std::uint64_t>(*number * factor);
}

std::string format_size(std::uint64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (b < 1000) return fmt::format("{} B", bytes);
  if (b < 1e6) return fmt::format("{:.0f} kB", b / 1e3);
  if (b < 1e9) return fmt::format("{:.0f} MB", b / 1e6);
  return fmt::format("{:.1f} GB", b / 1e9);
}

}  // namespace slipway
