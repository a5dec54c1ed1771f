// POST /build: the classic builder of an engine, read line by line.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "oci/engine_api.h"
#include "plugin/plugin.h"
#include "sys/files.h"

namespace slipway::docker {

struct BuildRequest {
  std::string name, dockerfile = "Dockerfile", target, platform, network;
  std::map<std::string, std::string> args, labels;
  bool pull = false, no_cache = false;
};

// The id of the image, or why there is none. A build is answered with 200 before it begins: what went wrong
// stands in a line of the answer.
struct Built {
  std::string image;  // "sha256:…" as the engine names it
  std::string failure, last_lines;
};
// `context`: a tar; `dockerfile`: the file itself, for the registries it names.
Built build(oci::EngineApi& api, const BuildRequest& request, const fs::path& context, Context& log,
            const fs::path& dockerfile);

}  // namespace slipway::docker
