// What the rollout of the chosen environment would do, told by its target; nothing is executed.
#pragma once
#include <string>

#include "cli/command.h"
#include "plan/plan.h"

namespace slipway::cli {

struct DeployPreview {
  std::string project, environment, target;
  json preview;  // as the target's plugin gives it
};

// `action`: of the target's plugin, with the params of its `apply`. With `with_secrets`, it is given those
// that the rollout would be given. Throws Error(usage) when there is nothing to roll out, when the target has
// no such action, or when images are not known because they would have to be built first.
DeployPreview preview_deploy(Session& session, const std::string& action, bool with_secrets);

// The target of the chosen environment can do this. False when there is no environment.
bool target_can(Session& session, const std::string& action);

}  // namespace slipway::cli
