// The deploy target that status, logs, rollback and down talk to: the environment of the spec, or --project.
#pragma once
#include <memory>
#include <string>

#include "cli/command.h"

namespace slipway::cli {

struct TargetFlags {
  std::string project;
};

// --project NAME: for use without a spec (the environment is then --env, or "local").
std::shared_ptr<TargetFlags> add_target_flags(CLI::App& command);

// Runs one action of the target's plugin; what it logs goes to `out` and stderr. A failed outcome is printed
// and becomes the exit code.
Outcome run_target(Session& session, const TargetFlags& flags, const std::string& action, json params,
                   std::FILE* out = stderr);

}  // namespace slipway::cli
