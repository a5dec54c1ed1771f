#include "cli/look.h"

#include <array>

namespace slipway::cli {

namespace {

bool set(const Environment& env, const char* name) {
  const char* value = env(name);
  return value && *value;
}

bool on(const Environment& env, const char* name) {
  return set(env, name) && std::string_view(env(name)) != "0";
}

bool dumb(const Environment& env) {
  return !set(env, "TERM") || std::string_view(env("TERM")) == "dumb";
}

bool decide_color(std::string_view flag, bool is_terminal, const Environment& env) {
  if (flag == "always") return true;
  if (flag == "never" || set(env, "NO_COLOR")) return false;
  if (on(env, "FORCE_COLOR") || on(env, "CLICOLOR_FORCE")) return true;
  if (set(env, "CLICOLOR") && !on(env, "CLICOLOR")) return false;
  const auto ci = detect_ci(env);
  if (ci == "github" || ci == "gitlab" || ci == "buildkite") return true;
  return is_terminal && !dumb(env);
}

bool decide_unicode(const Environment& env) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (!set(env, name)) continue;
    std::string value = env(name);
    for (char& c : value) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

std::string Look::paint(Paint paint, std::string_view text) const {
  constexpr std::array<std::string_view, 7> codes = {"", "1", "2", "31", "32", "33", "36"};
  const auto code = codes[static_cast<std::size_t>(paint)];
  if (!color || code.empty() || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string Look::mark(Result result, bool cached) const {
  switch (result) {
    case Result::success:
      return paint(cached ? Paint::dim : Paint::green, unicode ? "✔" : "ok");
    case Result::skip:
      return paint(Paint::dim, unicode ? "○" : "skip");
    case Result::cancellation:
      return paint(Paint::yellow, unicode ? "■" : "stop");
    default:
      return paint(Paint::red, unicode ? "✘" : "FAIL");
  }
}

Look choose_look(std::string_view flag, bool is_terminal, const Environment& env) {
  return {decide_color(flag, is_terminal, env), decide_unicode(env)};
}

std::string choose_progress(std::string_view flag, bool is_terminal, const Environment& env) {
  if (flag != "auto") return std::string(flag);
  return is_terminal && !dumb(env) && detect_ci(env).empty() ? "tty" : "plain";
}

std::string detect_ci(const Environment& env) {
  constexpr std::array<std::pair<const char*, const char*>, 6> vendors = {{{"GITHUB_ACTIONS", "github"},
                                                                           {"GITLAB_CI", "gitlab"},
                                                                           {"BUILDKITE", "buildkite"},
                                                                           {"TF_BUILD", "azure"},
                                                                           {"TEAMCITY_VERSION", "teamcity"},
                                                                           {"JENKINS_URL", "jenkins"}}};
  for (const auto& [variable, name] : vendors)
    if (set(env, variable)) return name;
  return on(env, "CI") && std::string_view(env("CI")) != "false" ? "ci" : "";
}

}  // namespace slipway::cli
