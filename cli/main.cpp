// slipway: reads the command line, runs one command, turns what went wrong into words and an exit code.
#include <cstdio>

#include "cli/command.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "plugins/builtin.h"

using namespace slipway;

int main(int argc, char** argv) {
  cli::Session session;
  session.argv.assign(argv, argv + argc);
  try {
    cli::Signals signals;
    session.stop = signals.stop();
    session.kill = signals.kill();
    session.dirs = user_dirs();
    Plugins plugins;
    add_builtin_plugins(plugins);
    session.plugins = &plugins;

    CLI::App app{"slipway takes microservices from git to healthy replicas", "slipway"};
    cli::add_global_options(app, session);
    for (auto add : cli::commands()) add(app, session);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      const int code = app.exit(e);
      return code == 0 ? 0 : static_cast<int>(ExitCode::usage);
    }
    return session.exit_code;
  } catch (const Error& e) {
    // The words of a file, a server or a plugin are in it: none of them may steer the terminal.
    const auto whole = e.str();
    std::string text = "slipway: ";
    for (const auto line : cli::lines_of(whole)) text += cli::harmless(line) + "\n";
    fmt::print(stderr, "{}", text);
    return e.code() == ExitCode::interrupted ? cli::Signals::exit_code() : static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "slipway: internal error: {}\n  hint: please report this with the command line\n",
               e.what());
    return static_cast<int>(ExitCode::internal);
  }
}
