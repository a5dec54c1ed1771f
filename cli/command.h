// What every command shares: the global flags and the way to end.
#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "plugin/registry.h"
#include "sys/files.h"

namespace slipway::cli {

struct Session {
  // Global flags.
  std::string spec_file;          // -f; "" : slipway.yaml or slipway.yml here or in a folder above
  std::string environment;        // --env
  std::string progress = "auto";  // auto tty plain json quiet
  std::string output = "text";    // text json
  std::string color = "auto";     // auto always never
  std::string events;             // --events FILE|-|fd:N
  std::vector<std::string> vars;  // --var NAME=VALUE
  bool yes = false, verbose = false;

  std::vector<std::string> argv;
  Plugins* plugins = nullptr;
  Dirs dirs;
  std::stop_token stop;  // first ^C or TERM
  std::stop_token kill;  // second ^C

  int exit_code = 0;  // what the command ends with; an Error wins
};

// One command: adds its subcommand, options and callback to the app. Callbacks run inside main's try.
using AddCommand = void (*)(CLI::App& app, Session& session);

// THE list, in the order of `slipway --help` (cli/commands.cpp).
const std::vector<AddCommand>& commands();

void add_global_options(CLI::App& app, Session& session);

}  // namespace slipway::cli
