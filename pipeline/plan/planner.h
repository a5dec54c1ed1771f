// Spec → Plan: which steps there are, what each is given and what it waits for. Pure but for one look: the
// Dockerfiles of local folders, for their base images.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "spec/spec.h"

namespace slipway {

struct PlanOptions {
  std::set<std::string> phases;   // "build" "test" "push" "deploy": these and what they need; empty: all
  std::vector<std::string> only;  // names of images, tests, services or steps: these and what they need
  bool pull = false;              // ask registries whether base tags have moved
};

// Throws Error(usage) when a name in `only` is unknown (with a suggestion), when steps wait for each other,
// or when there is nothing to do.
Plan make_plan(const Spec& spec, const PlanOptions& options = {});

}  // namespace slipway
