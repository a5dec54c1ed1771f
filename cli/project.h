// The project that a command works on: the spec that -f, --env and --var choose.
#pragma once
#include "cli/command.h"
#include "plan/planner.h"
#include "spec/spec.h"

namespace slipway::cli {

// Throws Error(usage) with every mistake in the spec, or when there is none.
Spec load_project(const Session& session);

}  // namespace slipway::cli
