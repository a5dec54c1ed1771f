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

// Fills `root` (absent before) with the packages of the variant alone; `wanted.packages` is for
// `add_packages`. Works below the folder `work`. The mounts that packages need while they are configured are
// seen by nobody else and go with the processes; no service is started. What differs from one run to the next
// (logs, caches, machine id, lists) is not there afterwards. What apt refuses is an answer: Outcome::failed;
// nullopt when all went well.
std::optional<Outcome> bootstrap(const Bootstrap& wanted, const std::filesystem::path& root,
                                 const std::filesystem::path& work, Context& context);

// Installs `wanted.packages` on top of `base`; `work`/upper holds what that changed, as an overlay's upper. A
// package that apt does not know is named in the failure.
std::optional<Outcome> add_packages(const Bootstrap& wanted, const std::filesystem::path& base,
                                    const std::filesystem::path& work, Context& context);

}  // namespace slipway::debian
