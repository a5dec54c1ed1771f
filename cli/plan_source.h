// From the command line to the plan to run: THE one place that asks the planner.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "cli/command.h"
#include "plan/plan.h"

namespace slipway::cli {

struct PlanRequest {
  std::string file;              // a saved plan instead of the spec
  std::set<std::string> phases;  // these and what they need; empty: all
  std::vector<std::string> only;
};

// Throws Error(usage) with every mistake in the spec, or when the saved plan is none.
Plan plan_for(const Session& session, const PlanRequest& request);

}  // namespace slipway::cli
