// What the instructions have said so far about a stage's image, apart from its files.
#pragma once
#include <string>
#include <vector>

#include "oci/descriptor.h"
#include "plugins/dockerfile/dockerfile.h"
#include "plugins/dockerfile/expand.h"

namespace slipway::dockerfile {

// Where an ARG's value may come from, beside its own default.
struct ArgSources {
  Variables given;    // the command line
  Variables globals;  // ARGs before the first FROM, and the platform's
};

struct StageState {
  oci::ImageConfig config;
  std::vector<oci::Descriptor> layers;  // as many as config.diff_ids
  Variables variables;                  // ENV and ARG: what is expanded, and what RUN sees
  char escape = '\\';
  bool cmd_set = false;  // by this stage

  // Takes over an image's config as that of a stage that begins.
  void begin(const oci::ImageConfig& base);
  std::string expanded(const std::string& text) const { return expand(text, variables, escape); }
  std::vector<std::string> shell() const;  // of SHELL
  std::vector<std::string> command(
      const Instruction& made) const;                   // JSON form as it is, else through the shell
  std::string absolute(const std::string& path) const;  // below WORKDIR; a trailing '/' stays
};

// Applies an instruction that makes no layer: ARG, CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL,
// MAINTAINER, SHELL, STOPSIGNAL, USER, VOLUME; WORKDIR's path too. True when it was one of those. Throws
// Error(usage) on a bad value.
bool apply(StageState& state, const Instruction& made, const ArgSources& args);

}  // namespace slipway::dockerfile
