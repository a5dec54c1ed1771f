// A root file system of Debian packages, by mmdebstrap.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "plugin/plugin.h"

namespace slipway::debian {

struct Bootstrap {
  std::string suite, architecture, variant, mirror;
  std::vector<std::string> packages;
  bool keep_docs = false;
};

// Fills `root` (absent before) below the folder `work`. The mounts that packages need while they are
// configured are seen by nobody else and go with the processes; no service is started. What differs from one
// run to the next (logs, caches, machine id, lists) is not there afterwards. A package that apt does not know
// is an answer: Outcome::failed, which names it; nullopt when all went well.
std::optional<Outcome> bootstrap(const Bootstrap& wanted, const std::filesystem::path& root,
                                 const std::filesystem::path& work, Context& context);

}  // namespace slipway::debian
