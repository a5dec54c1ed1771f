// Which path of the API an object has. The kinds that slipway writes are known; others are asked for.
#pragma once
#include <map>
#include <string>

#include "plugins/kubernetes/api.h"

namespace slipway::kubernetes {

struct Kind {
  std::string api_version, kind, plural;  // "apps/v1", "Deployment", "deployments"
  bool namespaced = true;
};

struct ObjectKey {
  std::string api_version, kind, name_space, name;  // name_space "" for those of the whole cluster
  auto operator<=>(const ObjectKey&) const = default;
  bool is_cluster_wide() const { return name_space.empty(); }
  std::string group() const;  // "apps"; "" of v1
  std::string str() const;    // "deployment/users", as kubectl says it
};
ObjectKey key_of(const json& object);

class Kinds {
 public:
  explicit Kinds(Api& api) : api_(api) {}
  // Throws Error(usage) when the cluster has no such kind.
  const Kind& find(const std::string& api_version, const std::string& kind);
  bool has(const std::string& api_version, const std::string& kind);
  // The kinds that a CustomResourceDefinition brings, before the cluster has it; other objects bring none.
  void learn(const json& object);
  // Custom kinds that were learnt and are not there yet: nothing of theirs can be asked for.
  bool is_to_come(const ObjectKey& key);
  // `key` in a version that the cluster serves now (clusters drop old ones); nullopt when it has none.
  std::optional<ObjectKey> served(const ObjectKey& key);
  // False when nothing of the kind is in namespaces; true when that is not known either.
  bool is_namespaced(const std::string& api_version, const std::string& kind);
  std::string collection(const Kind& kind, const std::string& name_space) const;
  std::string path(const ObjectKey& key);

 private:
  void discover(const std::string& api_version);

  Api& api_;
  std::map<std::pair<std::string, std::string>, Kind> found_, learnt_;
  std::map<std::string, bool> asked_;  // by apiVersion
};

}  // namespace slipway::kubernetes
