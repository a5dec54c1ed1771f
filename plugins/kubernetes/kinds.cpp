#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

namespace {

// What every cluster from 1.20 to the newest has.
const Kind* well_known(const std::string& api_version, const std::string& kind) {
  static const std::vector<Kind> kinds = {
      {"v1", "Pod", "pods", true},
      {"v1", "Service", "services", true},
      {"v1", "Secret", "secrets", true},
      {"v1", "ConfigMap", "configmaps", true},
      {"v1", "Event", "events", true},
      {"v1", "ServiceAccount", "serviceaccounts", true},
      {"v1", "PersistentVolumeClaim", "persistentvolumeclaims", true},
      {"v1", "Namespace", "namespaces", false},
      {"apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false},
      {"rbac.authorization.k8s.io/v1", "Role", "roles", true},
      {"rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true},
      {"rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false},
      {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false},
      {"apps/v1", "Deployment", "deployments", true},
      {"apps/v1", "StatefulSet", "statefulsets", true},
      {"apps/v1", "DaemonSet", "daemonsets", true},
      {"apps/v1", "ReplicaSet", "replicasets", true},
      {"batch/v1", "Job", "jobs", true},
      {"networking.k8s.io/v1", "Ingress", "ingresses", true},
      {"networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true},
      {"coordination.k8s.io/v1", "Lease", "leases", true},
  };
  for (const auto& one : kinds)
    if (one.api_version == api_version && one.kind == kind) return &one;
  return nullptr;
}

std::string root_of(const std::string& api_version) {
  return api_version.find('/') == std::string::npos ? "/api/" + api_version : "/apis/" + api_version;
}

}  // namespace

std::string ObjectKey::group() const {
  const auto slash = api_version.find('/');
  return slash == std::string::npos ? "" : api_version.substr(0, slash);
}

std::string ObjectKey::str() const {
  std::string out = kind;
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out + "/" + name;
}

ObjectKey key_of(const json& object) {
  return {object.value("apiVersion", ""), object.value("kind", ""),
          object.value("/metadata/namespace"_json_pointer, ""),
          object.value("/metadata/name"_json_pointer, "")};
}

void Kinds::discover(const std::string& api_version) {
  if (asked_[api_version]) return;
  asked_[api_version] = true;
  const auto answer = api_.find(root_of(api_version));
  if (!answer) return;
  for (const auto& one : answer->value("resources", json::array())) {
    const auto plural = one.value("name", "");
    if (plural.find('/') != std::string::npos) continue;  // a subresource
    const auto kind = one.value("kind", "");
    found_.emplace(std::pair{api_version, kind},
                   Kind{api_version, kind, plural, one.value("namespaced", true)});
  }
}

bool Kinds::has(const std::string& api_version, const std::string& kind) {
  if (well_known(api_version, kind)) return true;
  discover(api_version);
  return found_.contains({api_version, kind});
}

const Kind& Kinds::find(const std::string& api_version, const std::string& kind) {
  if (const auto* known = well_known(api_version, kind)) return *known;
  discover(api_version);
  if (const auto it = found_.find({api_version, kind}); it != found_.end()) return it->second;
  if (const auto it = learnt_.find({api_version, kind}); it != learnt_.end()) return it->second;
  throw Error(ExitCode::usage, fmt::format("the cluster has no kind `{}` in `{}`", kind, api_version))
      .hint("`kubectl api-resources` lists what it has; custom kinds must be installed first");
}

void Kinds::learn(const json& object) {
  if (object.value("kind", "") != "CustomResourceDefinition") return;
  const auto& spec = object.contains("spec") ? object.at("spec") : json::object();
  const auto kind = spec.value("/names/kind"_json_pointer, ""), group = spec.value("group", "");
  const auto plural = spec.value("/names/plural"_json_pointer, "");
  for (const auto& version : spec.value("versions", json::array())) {
    const auto api_version = group + "/" + version.value("name", "");
    learnt_[{api_version, kind}] = {api_version, kind, plural, spec.value("scope", "") != "Cluster"};
  }
}

bool Kinds::is_to_come(const ObjectKey& key) {
  return learnt_.contains({key.api_version, key.kind}) && !has(key.api_version, key.kind);
}

std::optional<ObjectKey> Kinds::served(const ObjectKey& key) {
  if (has(key.api_version, key.kind) || is_to_come(key)) return key;
  if (key.group().empty()) return std::nullopt;
  const auto group = api_.find("/apis/" + key.group());
  if (!group) return std::nullopt;
  auto out = key;
  for (const auto& version : group->value("versions", json::array())) {
    out.api_version = version.value("groupVersion", "");
    if (has(out.api_version, out.kind)) return out;
  }
  return std::nullopt;
}

bool Kinds::is_namespaced(const std::string& api_version, const std::string& kind) {
  if (const auto* known = well_known(api_version, kind)) return known->namespaced;
  discover(api_version);
  for (const auto* map : {&found_, &learnt_})
    if (const auto it = map->find({api_version, kind}); it != map->end()) return it->second.namespaced;
  return true;
}

std::string Kinds::collection(const Kind& kind, const std::string& name_space) const {
  auto out = root_of(kind.api_version);
  if (kind.namespaced && !name_space.empty()) out += "/namespaces/" + url_encoded(name_space);
  return out + "/" + kind.plural;
}

std::string Kinds::path(const ObjectKey& key) {
  return collection(find(key.api_version, key.kind), key.name_space) + "/" + url_encoded(key.name);
}

}  // namespace slipway::kubernetes
