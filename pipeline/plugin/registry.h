// The plugins a program knows, by name.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugin/plugin.h"

namespace slipway {

class Plugins {
 public:
  using Factory = std::function<std::unique_ptr<Plugin>()>;
  void add(std::string name, Factory factory);  // built-ins, made at first use

  // A built-in by name, or an executable when `uses` holds a '/' (relative to project_dir). Started once and
  // kept. Throws Error(usage) "unknown plugin `dokcerfile`" with a suggestion. Any thread.
  Plugin& get(const std::string& uses, const std::filesystem::path& project_dir);
  bool known(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Factory> factories_;               // guarded by mutex_
  std::map<std::string, std::unique_ptr<Plugin>> loaded_;  // guarded by mutex_
};

}  // namespace slipway
