// The stages of a Dockerfile: which there are, what each is built from, and which ones a target needs.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "oci/descriptor.h"
#include "plugins/dockerfile/dockerfile.h"
#include "plugins/dockerfile/expand.h"

namespace slipway::dockerfile {

struct Stage {
  std::string name;                          // lower case; "" when it has none
  std::string base;                          // "scratch", or an image reference, variables expanded
  int base_stage = -1;                       // when `base` is an earlier stage
  std::string platform;                      // of FROM --platform; "" for the target's
  const Instruction* from = nullptr;         // in the Dockerfile that it was made of
  std::vector<const Instruction*> steps;     // what follows FROM
  std::map<const Instruction*, int> copies;  // COPY --from that is an earlier stage
  std::string title(std::size_t index) const { return name.empty() ? std::to_string(index) : name; }
};

struct Stages {
  std::vector<Stage> all;
  std::vector<std::size_t> order;  // the ones needed, each after those it needs; the last is the target
  Variables globals;               // ARGs before the first FROM, with the values of the command line
};

// BUILDPLATFORM, TARGETARCH and the like (only ARG brings them into a stage).
Variables platform_variables(const oci::Platform& target, const std::string& target_stage);

// `args` are those of the command line. Mistakes (a stage that is not there, a bad name, an empty base) go to
// `diagnostics`; the file must outlive the answer.
Stages find_stages(const Dockerfile& file, const Variables& args, const oci::Platform& target,
                   const std::string& target_stage, Diagnostics& diagnostics);

}  // namespace slipway::dockerfile
