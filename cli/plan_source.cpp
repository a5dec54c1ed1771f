#include "cli/plan_source.h"

#include "cli/project.h"
#include "plan/planner.h"

namespace slipway::cli {

Plan plan_for(const Session& session, const PlanRequest& request) {
  if (request.file.empty()) {
    PlanOptions options;
    options.phases = request.phases;
    options.only = request.only;
    return make_plan(load_project(session), options);
  }
  const auto saved = json::parse(read_file(request.file), nullptr, false);
  if (saved.is_discarded())
    throw Error(ExitCode::usage, fmt::format("`{}` is no JSON", request.file))
        .hint("make a plan with `slipway plan --out FILE`");
  try {
    return plan_from_json(saved);
  } catch (Error& e) {
    throw e.trail(fmt::format("while reading `{}`", request.file));
  }
}

}  // namespace slipway::cli
