// Where the local target keeps what it knows of one project in one environment, below the user's state
// folder.
#pragma once
#include <filesystem>
#include <string>

#include "plugin/plugin.h"

namespace slipway::local {

namespace fs = std::filesystem;

struct Place {
  std::string project, environment;
  fs::path root;  // STATE/local/PROJECT/ENVIRONMENT
  fs::path cache;

  // From the params `project` and `environment`. Throws Error(usage) when they are no names for folders.
  static Place of(const Invocation& invocation);

  fs::path lock() const { return root / "lock"; }
  fs::path state() const { return root / "state.json"; }
  fs::path release(const std::string& id) const { return root / "releases" / (id + ".json"); }
  fs::path replicas() const { return root / "replicas"; }
  fs::path replica(const std::string& id) const { return replicas() / id; }
  fs::path volume(const std::string& name) const { return root / "volumes" / name; }
  fs::path network() const { return root / "network"; }
  fs::path balancer() const { return root / "balancer"; }
  std::string title() const { return project + "/" + environment; }
};

}  // namespace slipway::local
