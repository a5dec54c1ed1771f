// What stands between all that a rollout needs and the rollout: turns, other environments, somebody's word.
#pragma once
#include "plan/graph.h"
#include "spec/spec.h"

namespace slipway {

// The steps that `environment` asks for before `deploy`, which is whole but for them; each waits for all that
// `deploy` needs, so that what they see and show is what is rolled out. In this order:
//     queue.GROUP               until the rollouts of the group that came before have ended
//     status.OTHER, gate.OTHER  what serves in a required environment, and is it this
//     preview.NAME              what the rollout would change
//     approval.NAME             until somebody has agreed to that
std::vector<Draft> gates_before(const Draft& deploy, const Spec& spec, const Environment& environment);

}  // namespace slipway
