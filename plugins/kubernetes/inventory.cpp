#include "plugins/kubernetes/inventory.h"

namespace slipway::kubernetes {

namespace {

std::size_t group_of(const std::string& kind) {
  static const std::vector<std::set<std::string>> groups = {
      {"Namespace"},
      {"CustomResourceDefinition"},
      {"ServiceAccount", "Role", "ClusterRole", "PriorityClass", "StorageClass", "IngressClass",
       "RuntimeClass"},
      {"RoleBinding", "ClusterRoleBinding"}};
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (groups[i].contains(kind)) return i;
  return groups.size();
}

}  // namespace

std::map<ObjectKey, json> live_objects(Api& api, Kinds& kinds, const Place& place,
                                       const std::set<ObjectKey>& keys) {
  std::map<ObjectKey, json> out;
  std::optional<Error> failure;
  std::size_t left = 0;
  const auto take = [&](json object, const std::string& api_version, const std::string& kind) {
    object["apiVersion"] = api_version;  // lists leave it out of their items
    object["kind"] = kind;
    const auto key = key_of(object);
    out[key] = std::move(object);
  };
  std::set<std::pair<std::string, std::string>> asked;
  for (const auto& key : keys) {
    Request request;
    if (key.is_cluster_wide()) {
      request.path = kinds.path(key);
    } else {
      if (!asked.insert({key.api_version, key.kind}).second) continue;
      request.path = kinds.collection(kinds.find(key.api_version, key.kind), place.name_space);
      request.query["labelSelector"] = place.selector();
    }
    ++left;
    api.start(std::move(request), [&, key](Answer answer) {
      --left;
      if (answer.error) {
        // Also the list of a custom kind that is only to come.
        if (answer.error->status != 404 && !failure) failure = *answer.error;
      } else if (key.is_cluster_wide()) {
        take(std::move(answer.body), key.api_version, key.kind);
      } else {
        for (auto& item : answer.body["items"]) take(std::move(item), key.api_version, key.kind);
      }
    });
  }
  while (left > 0) api.poll(Millis(1'000));
  if (failure) throw *failure;
  return out;
}

std::vector<std::vector<json>> in_order(std::vector<json> objects) {
  std::map<std::size_t, std::vector<json>> groups;
  for (auto& object : objects) groups[group_of(object.value("kind", ""))].push_back(std::move(object));
  std::vector<std::vector<json>> out;
  for (auto& [_, group] : groups) out.push_back(std::move(group));
  return out;
}

}  // namespace slipway::kubernetes
