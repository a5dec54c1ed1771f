#include "cli/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "run/json_text.h"

namespace slipway::cli {

namespace {

constexpr char kEscape = 0x1b;

// The code point at `at` of checked UTF-8, and the index behind it.
char32_t take_code_point(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  char32_t c = first & (0x3f >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    c = (c << 6) | (static_cast<unsigned char>(text[at++]) & 0x3f);
  return c;
}

// The index behind the escape sequence at `at` (ECMA-48: CSI, the strings OSC, DCS, SOS, PM, APC, the rest).
std::size_t behind_escape(std::string_view text, std::size_t at) {
  ++at;
  if (at >= text.size()) return at;
  const char kind = text[at++];
  if (kind == '[') {
    while (at < text.size() && !(text[at] >= 0x40 && text[at] <= 0x7e)) ++at;
    return std::min(at + 1, text.size());
  }
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
    for (; at < text.size(); ++at) {
      if (text[at] == '\a') return at + 1;
      if (text[at] == kEscape) return std::min(at + 2, text.size());
    }
    return at;
  }
  // nF: intermediate bytes and a final one.
  if (kind >= 0x20 && kind <= 0x2f) {
    while (at < text.size() && text[at] >= 0x20 && text[at] <= 0x2f) ++at;
    return std::min(at + 1, text.size());
  }
  return at;
}

bool turns_direction(char32_t c) {
  return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
}

bool combines(char32_t c) {
  return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x20d0 && c <= 0x20ff) ||
         (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xfe20 && c <= 0xfe2f) || c == 0x200b || c == 0x200d ||
         c == 0xfeff;
}

bool is_wide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf && c != 0x303f) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) ||
         (c >= 0xff00 && c <= 0xff60) || (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1f64f) ||
         (c >= 0x1f680 && c <= 0x1f6ff) || (c >= 0x1f900 && c <= 0x1f9ff) || (c >= 0x20000 && c <= 0x3fffd);
}

std::size_t columns_of(char32_t c) {
  return combines(c) ? 0 : is_wide(c) ? 2 : 1;
}

}  // namespace

std::string harmless(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (const auto back = line.rfind('\r'); back != std::string_view::npos) line.remove_prefix(back + 1);
  const std::string checked = utf8_text(line);
  std::string out;
  out.reserve(checked.size());
  std::size_t column = 0;
  for (std::size_t at = 0; at < checked.size();) {
    const auto from = at;
    if (checked[at] == kEscape) {
      at = behind_escape(checked, at);
      continue;
    }
    const char32_t c = take_code_point(checked, at);
    if (c == '\t') {
      out.append(8 - column % 8, ' ');
      column += 8 - column % 8;
    } else if (c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && !turns_direction(c)) {
      out.append(checked, from, at - from);
      column += columns_of(c);
    }
  }
  return out;
}

std::string first_line(std::string_view text) {
  return harmless(text.substr(0, text.find('\n')));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t sum = 0;
  for (std::size_t at = 0; at < text.size();) sum += columns_of(take_code_point(text, at));
  return sum;
}

std::string fit(std::string_view text, std::size_t columns, bool unicode) {
  if (text.size() <= columns || columns_of(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t used = 0, at = 0;
  while (at < text.size()) {
    auto next = at;
    const auto width = columns_of(take_code_point(text, next));
    if (used + width > columns - 1) break;
    used += width;
    at = next;
  }
  return std::string(text.substr(0, at)) + (unicode ? "…" : "~");
}

std::string pad(std::string_view text, std::size_t columns, bool unicode) {
  std::string out = fit(text, columns, unicode);
  const auto used = columns_of(std::string_view(out));
  if (used < columns) out.append(columns - used, ' ');
  return out;
}

}  // namespace slipway::cli
