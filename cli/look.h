// How words look on stderr: colours, marks and width, decided once from flags, environment and terminal.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "run/event.h"

namespace slipway::cli {

enum class Paint { plain, bold, dim, red, green, yellow, cyan };

struct Look {
  bool color = false;
  bool unicode = true;  // false: ok FAIL run wait instead of ✔ ✘ ▸ ○

  std::string paint(Paint paint, std::string_view text) const;
  // The sign of how a step ended.
  std::string mark(Result result, bool cached = false) const;
  std::string_view dot() const { return unicode ? "·" : "-"; }
  std::string_view arrow() const { return unicode ? "→" : "->"; }
  std::string_view bar() const { return unicode ? "│" : "|"; }
};

using Environment = std::function<const char*(const char*)>;  // getenv

// `flag` is --color. --color > NO_COLOR > FORCE_COLOR, CLICOLOR_FORCE > CLICOLOR=0, TERM=dumb > a terminal or
// a CI that renders colours (GitHub, GitLab, Buildkite).
Look choose_look(std::string_view flag, bool is_terminal, const Environment& env);

// The console for --progress auto: "tty" on a terminal that can move its cursor and is not a CI job's, else
// "plain".
std::string choose_progress(std::string_view flag, bool is_terminal, const Environment& env);

// "github", "gitlab", "buildkite", "azure", "teamcity", "jenkins", "ci" or "" outside CI.
std::string detect_ci(const Environment& env);

}  // namespace slipway::cli
