#include "cli/look.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::cli;

namespace {

Environment env_of(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> const char* {
    const auto it = values.find(name);
    return it == values.end() ? nullptr : it->second.c_str();
  };
}

bool color(std::string_view flag, bool is_terminal, std::map<std::string, std::string> env) {
  return choose_look(flag, is_terminal, env_of(std::move(env))).color;
}

std::string progress(bool is_terminal, std::map<std::string, std::string> env) {
  return choose_progress("auto", is_terminal, env_of(std::move(env)));
}

}  // namespace

TEST_CASE("colour: the flag wins, then NO_COLOR, then what forces it, then the terminal", "[cli]") {
  CHECK(color("always", false, {{"NO_COLOR", "1"}}));
  CHECK_FALSE(color("never", true, {{"TERM", "xterm"}, {"FORCE_COLOR", "1"}}));
  CHECK_FALSE(color("auto", true, {{"TERM", "xterm"}, {"NO_COLOR", "1"}, {"FORCE_COLOR", "1"}}));
  CHECK(color("auto", true, {{"TERM", "xterm"}, {"NO_COLOR", ""}}));
  CHECK(color("auto", false, {{"CLICOLOR_FORCE", "1"}}));
  CHECK_FALSE(color("auto", false, {{"CLICOLOR_FORCE", "0"}}));
  CHECK_FALSE(color("auto", true, {{"TERM", "dumb"}}));
  CHECK_FALSE(color("auto", true, {{"TERM", "xterm"}, {"CLICOLOR", "0"}}));
  CHECK(color("auto", false, {{"GITHUB_ACTIONS", "true"}, {"CI", "true"}}));
  CHECK_FALSE(color("auto", false, {{"CI", "true"}}));
}

TEST_CASE("progress is redrawn on a real terminal only", "[cli]") {
  CHECK(progress(true, {{"TERM", "xterm"}}) == "tty");
  CHECK(progress(false, {{"TERM", "xterm"}}) == "plain");
  CHECK(progress(true, {{"TERM", "dumb"}}) == "plain");
  CHECK(progress(true, {}) == "plain");
  CHECK(progress(true, {{"TERM", "xterm"}, {"CI", "true"}}) == "plain");
  CHECK(progress(true, {{"TERM", "xterm"}, {"CI", "false"}}) == "tty");
  CHECK(choose_progress("json", true, env_of({})) == "json");
}

TEST_CASE("marks are words where the locale has no UTF-8", "[cli]") {
  CHECK(choose_look("never", false, env_of({{"LANG", "de_DE.UTF-8"}})).mark(Result::success) == "✔");
  CHECK(
      choose_look("never", false, env_of({{"LANG", "de_DE.UTF-8"}, {"LC_ALL", "C"}})).mark(Result::failure) ==
      "FAIL");
  CHECK(choose_look("always", false, env_of({{"LC_CTYPE", "C.utf8"}})).mark(Result::failure) ==
        "\x1b[31m✘\x1b[0m");
}
