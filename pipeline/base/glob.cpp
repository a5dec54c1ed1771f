#include "base/glob.h"

#include <vector>

namespace slipway {

namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (!part.empty() && part != ".") out.push_back(part);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return out;
}

// One class "[a-c!]" at the beginning of `pattern`, which is cut off; false when it is not closed.
bool take_class(std::string_view& pattern, char c, bool& matched) {
  auto close = pattern.find(']', 2);
  if (close == std::string_view::npos) return false;
  auto set = pattern.substr(1, close - 1);
  pattern.remove_prefix(close + 1);
  const bool negated = set.starts_with('!') || set.starts_with('^');
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found |= set[i] <= c && c <= set[i + 2];
      i += 2;
    } else {
      found |= set[i] == c;
    }
  }
  matched = found != negated;
  return true;
}

// Linear but for the last star, to which it goes back: no pattern makes it slow.
bool part_matches(std::string_view pattern, std::string_view text) {
  std::string_view star_pattern, star_text;
  bool starred = false;
  while (!text.empty() || !pattern.empty()) {
    if (!pattern.empty() && pattern[0] == '*') {
      pattern.remove_prefix(1);
      star_pattern = pattern;
      star_text = text;
      starred = true;
      continue;
    }
    if (!pattern.empty() && !text.empty()) {
      auto rest = pattern;
      bool good = rest[0] == '?' || rest[0] == text[0];
      if (bool in_class = false; rest[0] == '[' && take_class(rest, text[0], in_class))
        good = in_class;
      else
        rest.remove_prefix(1);
      if (good) {
        pattern = rest;
        text.remove_prefix(1);
        continue;
      }
    }
    if (!starred || star_text.empty()) return false;
    star_text.remove_prefix(1);
    pattern = star_pattern;
    text = star_text;
  }
  return true;
}

bool matches(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path) {
  // reach[i]: the first i parts of the path are used up; one row a part of the pattern.
  std::vector<bool> reach(path.size() + 1);
  reach[0] = true;
  for (const auto part : pattern) {
    std::vector<bool> next(path.size() + 1);
    bool any = false;
    for (std::size_t i = 0; i <= path.size(); ++i) {
      any |= reach[i];
      if (part == "**")
        next[i] = any;
      else if (i > 0)
        next[i] = reach[i - 1] && part_matches(part, path[i - 1]);
    }
    reach = std::move(next);
  }
  // What lies below a match matches too.
  for (const bool reached : reach)
    if (reached) return true;
  return false;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view path) {
  return matches(parts_of(pattern), parts_of(path));
}

std::string glob_root(std::string_view pattern) {
  std::string out;
  const auto parts = parts_of(pattern);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].find_first_of("*?[") != std::string_view::npos) break;
    out += (out.empty() ? "" : "/") + std::string(parts[i]);
  }
  return out;
}

}  // namespace slipway
