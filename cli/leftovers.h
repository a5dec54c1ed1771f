// What killed runs leave on a machine: replicas, bridges, namespaces, processes, folders, mounts.
#pragma once
#include <string>
#include <vector>

#include "plugin/registry.h"
#include "sys/files.h"

namespace slipway::cli {

struct Leftover {
  std::string what;
  bool cleared = false;
  std::string hint;  // when it could not be cleared
};

// Finds them and, unless `dry_run`, clears them. Nothing of a rollout that is on its way is touched. Needs
// root for all but the first kind.
std::vector<Leftover> find_leftovers(Plugins& plugins, const Dirs& dirs, bool dry_run);

}  // namespace slipway::cli
