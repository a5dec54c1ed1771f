#include "plugin/registry.h"

#include "base/suggest.h"
#include "plugin/external.h"

namespace slipway {

void Plugins::add(std::string name, Factory factory) {
  std::lock_guard lock(mutex_);
  factories_[std::move(name)] = std::move(factory);
}

bool Plugins::known(const std::string& name) const {
  std::lock_guard lock(mutex_);
  return factories_.contains(name);
}

std::vector<std::string> Plugins::names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, factory] : factories_) out.push_back(name);
  return out;
}

Plugin& Plugins::get(const std::string& uses, const std::filesystem::path& project_dir) {
  std::lock_guard lock(mutex_);
  if (uses.find('/') != std::string::npos) {
    auto& loaded = loaded_[(project_dir / uses).lexically_normal().string()];
    if (!loaded) loaded = start_external_plugin(uses, project_dir);
    return *loaded;
  }
  if (auto it = loaded_.find(uses); it != loaded_.end()) return *it->second;
  const auto factory = factories_.find(uses);
  if (factory == factories_.end()) {
    std::vector<std::string> names;
    for (const auto& [name, made_by] : factories_) names.push_back(name);
    throw Error(ExitCode::usage, fmt::format("unknown plugin `{}`", uses)).hint(suggestion_hint(uses, names));
  }
  return *(loaded_[uses] = factory->second());
}

}  // namespace slipway
