// One build: a Dockerfile and a context to an image in the user's store.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "oci/descriptor.h"
#include "plugin/plugin.h"
#include "plugins/dockerfile/base.h"
#include "plugins/dockerfile/expand.h"
#include "plugins/dockerfile/stages.h"

namespace slipway::dockerfile {

struct BuildRequest {
  std::string name;        // of the image, for `ref`
  fs::path context;        // a folder
  fs::path dockerfile;     // the file
  std::string shown_file;  // as messages name it
  std::string target;
  Variables args;
  std::map<std::string, std::string> labels;
  oci::Platform platform;
  std::string network;  // "", "default", "host", "none"
  json mirrors = json::object();
  std::vector<std::string> tags;
  bool insecure = false, pull = false, no_cache = false;
};

// Reads, parses and finds the stages; throws Error(usage) with every mistake.
struct ParsedBuild {
  Dockerfile file;
  Stages stages;
};
std::unique_ptr<ParsedBuild> parse_build(const BuildRequest& request);

// The outputs of dockerfile.build, or the failure of a RUN. Interrupted at any moment, a later build goes on
// after the last instruction that was finished.
Outcome build(const BuildRequest& request, const fs::path& cache_dir, Context& context);

}  // namespace slipway::dockerfile
