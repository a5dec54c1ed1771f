// Runs a plan as every command does: journal, cache, console, event stream, signals, result, exit code.
#pragma once
#include <map>
#include <string>

#include "cli/command.h"
#include "run/engine.h"

namespace slipway::cli {

struct RunFlags {
  unsigned jobs = 0;
  bool keep_going = false, no_cache = false;
  std::string junit;  // file to write
};

void add_run_flags(CLI::App& command, RunFlags& flags);

// Runs to the end, prints the result on stdout and sets session.exit_code. `done`: see EngineOptions.
void run_plan_command(Session& session, const Plan& plan, const RunFlags& flags,
                      std::map<std::string, DoneStep> done = {});

}  // namespace slipway::cli
