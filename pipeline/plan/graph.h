// Steps that name what they need, put in order.
#pragma once
#include <string>
#include <vector>

#include "plan/plan.h"

namespace slipway {

// A step before it has its id: its needs are names.
struct Draft {
  Step step;
  std::vector<std::string> needs;
};

// The drafts as steps with ids, each after what it needs, else in the given order; names that are needed and
// not there are left out (a selection drops them on purpose). Throws Error(usage) naming the circle.
std::vector<Step> in_order(std::vector<Draft> drafts);

// The names in `wanted` and all that they need, directly or not.
std::set<std::string> closure(const std::vector<Draft>& drafts, const std::set<std::string>& wanted);

}  // namespace slipway
