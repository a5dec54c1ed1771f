#include "sys/git_modules.h"

#include <algorithm>

#include "base/error.h"
#include "sys/git_url.h"

namespace slipway::git {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t";
  const auto first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

[[noreturn]] void bad_line(int number) {
  throw Error(ExitCode::usage, fmt::format("`.gitmodules` line {} is no configuration", number));
}

// The value after '=': quotes, escapes and comments taken away.
std::string value_of(std::string_view text, int number) {
  std::string out;
  std::size_t kept = 0;  // blanks at the end count only inside quotes
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      quoted = !quoted;
      kept = out.size();
    } else if (c == '\\') {
      if (++i == text.size()) bad_line(number);
      const auto at = std::string_view("nt\\\"b").find(text[i]);
      if (at == std::string_view::npos) bad_line(number);
      out += "\n\t\\\"\b"[at];
      kept = out.size();
    } else if (!quoted && (c == '#' || c == ';')) {
      break;
    } else {
      out += c;
      if (quoted || (c != ' ' && c != '\t')) kept = out.size();
    }
  }
  if (quoted) bad_line(number);
  out.resize(kept);
  return out;
}

// `[submodule "NAME"]`; nullopt for another section.
std::optional<std::string> section_of(std::string_view line, int number) {
  if (!line.ends_with(']')) bad_line(number);
  line = trimmed(line.substr(1, line.size() - 2));
  if (!line.starts_with("submodule")) return std::nullopt;
  line = trimmed(line.substr(9));
  if (line.size() < 2 || line.front() != '"' || line.back() != '"') return std::nullopt;
  std::string name;
  for (char c : line.substr(1, line.size() - 2))
    if (c != '\\') name += c;
  return name;
}

}  // namespace

std::vector<Module> parse_modules(std::string_view text) {
  std::vector<Module> out;
  bool ours = false;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = text.find('\n');
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      const auto name = section_of(line, number);
      ours = name.has_value();
      if (ours) out.push_back({*name, "", ""});
      continue;
    }
    const auto equals = line.find('=');
    auto key = std::string(trimmed(line.substr(0, equals)));
    std::transform(key.begin(), key.end(), key.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (key.empty()) bad_line(number);
    if (!ours || equals == std::string_view::npos || (key != "path" && key != "url")) continue;
    (key == "path" ? out.back().path : out.back().url) = value_of(trimmed(line.substr(equals + 1)), number);
  }
  std::erase_if(out, [](const Module& module) { return module.path.empty() || module.url.empty(); });
  for (const auto& module : out)
    if (!is_safe_submodule_path(module.path))
      throw Error(ExitCode::usage,
                  fmt::format("the submodule path `{}` is refused: a repository may not choose it",
                              escaped(module.path)));
  return out;
}

}  // namespace slipway::git
