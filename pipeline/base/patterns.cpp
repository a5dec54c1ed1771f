#include "base/patterns.h"

#include <algorithm>
#include <filesystem>

namespace slipway {

namespace {

// "[a-z]" at pattern[p]: whether `c` is in it; `p` moves behind it. An unclosed class matches nothing.
bool in_class(std::string_view pattern, std::size_t& p, char c) {
  bool found = false;
  ++p;
  const bool negated = p < pattern.size() && (pattern[p] == '^' || pattern[p] == '!');
  if (negated) ++p;
  for (bool first = true; p < pattern.size() && (first || pattern[p] != ']'); first = false) {
    const auto take = [&] {
      if (pattern[p] == '\\' && p + 1 < pattern.size()) ++p;
      return pattern[p++];
    };
    const char low = take();
    char high = low;
    if (p + 1 < pattern.size() && pattern[p] == '-' && pattern[p + 1] != ']') {
      ++p;
      high = take();
    }
    found = found || (low <= c && c <= high);
  }
  if (p >= pattern.size()) return false;
  ++p;
  return found != negated;
}

bool match_component(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
      continue;
    }
    bool ok = false;
    auto after = p;
    if (p < pattern.size()) {
      if (pattern[p] == '?') {
        ok = true;
        ++after;
      } else if (pattern[p] == '[') {
        ok = in_class(pattern, after, text[t]);
      } else {
        if (pattern[p] == '\\' && p + 1 < pattern.size()) ++after;
        ok = pattern[after] == text[t];
        ++after;
      }
    }
    if (ok) {
      p = after;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) out.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return out;
}

using Parts = std::vector<std::string_view>;

bool match_parts(const Parts& pattern, std::size_t p, const Parts& path, std::size_t t, bool double_star) {
  for (; p < pattern.size(); ++p, ++t) {
    if (double_star && pattern[p] == "**") {
      while (p + 1 < pattern.size() && pattern[p + 1] == "**") ++p;
      if (p + 1 == pattern.size()) return true;
      for (std::size_t skip = t; skip <= path.size(); ++skip)
        if (match_parts(pattern, p + 1, path, skip, true)) return true;
      return false;
    }
    if (t >= path.size() || !match_component(pattern[p], path[t])) return false;
  }
  return t == path.size();
}

std::string_view trim(std::string_view s) {
  const auto first = s.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

bool match_path(std::string_view pattern, std::string_view path, bool double_star) {
  return match_parts(components(pattern), 0, components(path), 0, double_star);
}

bool has_wildcard(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\')
      ++i;
    else if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[')
      return true;
  }
  return false;
}

IgnoreRules::IgnoreRules(std::string_view text, std::string file) : file_(std::move(file)) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('#')) continue;
    line = trim(line);
    IgnoreRule rule;
    rule.line = number;
    if (line.starts_with('!')) {
      rule.keep = true;
      line = trim(line.substr(1));
    }
    if (line.empty()) continue;
    auto cleaned = std::filesystem::path("/" + std::string(line)).lexically_normal().string();
    while (cleaned.size() > 1 && cleaned.ends_with('/')) cleaned.pop_back();
    rule.pattern = cleaned.substr(1);
    if (!rule.pattern.empty()) rules_.push_back(std::move(rule));
  }
}

const IgnoreRule* IgnoreRules::ignores(std::string_view path) const {
  const IgnoreRule* last = nullptr;
  for (const auto& rule : rules_) {
    // A rule that names a folder is about everything below it.
    for (auto end = path.find('/');; end = path.find('/', end + 1)) {
      if (match_path(rule.pattern, path.substr(0, end), true)) {
        last = &rule;
        break;
      }
      if (end == std::string_view::npos) break;
    }
  }
  return last && !last->keep ? last : nullptr;
}

bool IgnoreRules::may_keep_below(std::string_view path) const {
  const auto depth = components(path);
  return std::any_of(rules_.begin(), rules_.end(), [&](const IgnoreRule& rule) {
    if (!rule.keep) return false;
    const auto parts = components(rule.pattern);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] == "**" || i >= depth.size()) return true;
      if (!match_component(parts[i], depth[i])) return false;
    }
    return true;
  });
}

}  // namespace slipway
