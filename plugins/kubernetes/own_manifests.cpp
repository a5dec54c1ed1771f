#include "plugins/kubernetes/own_manifests.h"

#include "base/glob.h"
#include "plugins/kubernetes/kinds.h"
#include "sys/files.h"
#include "sys/process.h"
#include "sys/yaml_reader.h"

namespace slipway::kubernetes {

namespace {

constexpr Millis kCommandLimit{120'000};

bool is_workload(const json& object) {
  const auto kind = object.value("kind", "");
  return kind == "Deployment" || kind == "StatefulSet";
}

// Kinds that belong to no namespace, of those that people put beside a service.
bool is_cluster_wide(const std::string& kind) {
  static const std::set<std::string> kinds = {"Namespace",
                                              "ClusterRole",
                                              "ClusterRoleBinding",
                                              "CustomResourceDefinition",
                                              "PersistentVolume",
                                              "StorageClass",
                                              "IngressClass",
                                              "PriorityClass",
                                              "Node"};
  return kinds.contains(kind);
}

std::vector<fs::path> files_of(const json& patterns, const fs::path& project_dir) {
  std::set<fs::path> out;
  for (const auto& item : patterns) {
    const auto pattern = item.get<std::string>();
    if (!path_inside("/", pattern) || pattern.starts_with('/'))
      throw Error(ExitCode::usage, fmt::format("the manifest `{}` leads out of the project", pattern));
    const auto before = out.size();
    const auto root = project_dir / glob_root(pattern);
    std::error_code ec;
    if (fs::is_regular_file(root, ec)) out.insert(root);
    for (fs::recursive_directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec))
      if (it->is_regular_file(ec) && glob_match(pattern, it->path().lexically_relative(project_dir).string()))
        out.insert(it->path());
    if (out.size() == before)
      throw Error(ExitCode::usage, fmt::format("no file matches the manifest `{}`", pattern));
  }
  return {out.begin(), out.end()};
}

// One stream's objects; a List is the objects it holds.
void add_stream(std::vector<json>& into, std::map<ObjectKey, Location>& known, const std::string& text,
                const std::string& name, Diagnostics& diagnostics) {
  for (const auto& node : read_yaml_stream(text, name, diagnostics)) {
    auto document = to_json(*node);
    auto items = document.is_object() && document.value("kind", "") == "List" ? document["items"]
                                                                              : json::array({document});
    for (auto& object : items) {
      const auto has = [&](const char* at) {
        const json::json_pointer pointer(at);
        return object.is_object() && object.contains(pointer) && object.at(pointer).is_string();
      };
      if (!has("/apiVersion") || !has("/kind") || !has("/metadata/name")) {
        diagnostics.error(node->where, "this is no object of a cluster",
                          "it needs apiVersion, kind and metadata.name");
        continue;
      }
      const auto [first, fresh] = known.emplace(key_of(object), node->where);
      if (!fresh) {
        diagnostics.error(node->where, fmt::format("{} stands here twice", key_of(object).str()),
                          fmt::format("the first one is at {}", first->second.str()));
        continue;
      }
      into.push_back(std::move(object));
    }
  }
}

std::string repository_of(const std::string& reference) {
  const auto at = std::min(reference.find('@'), reference.size());
  const auto colon = reference.rfind(':', at), slash = reference.rfind('/', at);
  const bool tagged =
      colon != std::string::npos && colon < at && (slash == std::string::npos || colon > slash);
  return reference.substr(0, tagged ? colon : at);
}

// The number of containers that got the release's image.
int put_image(json& pod, const std::string& image, const std::string& reference) {
  int count = 0;
  for (const char* list : {"initContainers", "containers"}) {
    if (!pod.contains(list)) continue;
    for (auto& container : pod[list]) {
      const auto now = container.value("image", "");
      if (now != image && repository_of(now) != repository_of(reference)) continue;
      container["image"] = reference;
      ++count;
    }
  }
  return count;
}

}  // namespace

std::vector<json> read_manifests(const json& manifests, const fs::path& project_dir) {
  std::vector<json> out;
  std::map<ObjectKey, Location> known;
  Diagnostics diagnostics;
  for (const auto& file : files_of(manifests.value("files", json::array()), project_dir))
    add_stream(out, known, read_file(file, 16u << 20), file.lexically_relative(project_dir).string(),
               diagnostics);
  if (manifests.contains("command")) {
    Command command;
    command.argv = manifests["command"].get<std::vector<std::string>>();
    command.cwd = project_dir;
    WaitOptions options;
    options.timeout = kCommandLimit;
    add_stream(out, known, run_capture(command, options), fmt::format("output of {}", command.argv[0]),
               diagnostics);
  }
  diagnostics.throw_if_errors();
  if (out.empty()) throw Error(ExitCode::usage, "its manifests hold no object");
  return out;
}

ServiceObjects own_objects(std::vector<json> objects, const std::string& service, const std::string& image,
                           const std::string& reference, const Place& place) {
  ServiceObjects out;
  out.own = true;
  out.name = service;
  int images = 0;
  const auto labels = place.labels();
  for (auto& object : objects) {
    const auto key = key_of(object);
    if (is_cluster_wide(key.kind))
      throw Error(ExitCode::usage,
                  fmt::format("{} belongs to the whole cluster, not to a service", key.str()))
          .hint("make it once, by hand or by the cluster's own pipeline");
    if (!key.name_space.empty() && key.name_space != place.name_space)
      throw Error(ExitCode::usage, fmt::format("{} is for the namespace `{}`, this environment is `{}`",
                                               key.str(), key.name_space, place.name_space))
          .hint("leave `namespace` out of manifests: the target names it");
    object.erase("status");
    object["metadata"]["namespace"] = place.name_space;
    object["metadata"]["labels"]["app.kubernetes.io/name"] = service;
    object["metadata"]["labels"].update(labels);
    if (object.contains("/spec/template/spec"_json_pointer)) {
      images += put_image(object["spec"]["template"]["spec"], image, reference);
      // What belongs to this service is found by these; selectors of the user's stay as they are.
      auto& pod = object["spec"]["template"]["metadata"]["labels"];
      pod["app.kubernetes.io/name"] = service;
      pod["app.kubernetes.io/part-of"] = place.project;
      pod["slipway.dev/environment"] = place.environment;
    }
    if (!is_workload(object)) {
      (key.kind == "Ingress" || key.kind == "PodDisruptionBudget" || key.kind == "HorizontalPodAutoscaler"
           ? out.after
           : out.config)
          .push_back(std::move(object));
    } else if (out.workload.is_null()) {
      out.workload = std::move(object);
    } else {
      throw Error(ExitCode::usage, fmt::format("its manifests hold two workloads: {} and {}",
                                               key_of(out.workload).str(), key.str()))
          .hint("make a service of each");
    }
  }
  if (out.workload.is_null())
    throw Error(ExitCode::usage, "its manifests hold no Deployment and no StatefulSet");
  if (images == 0)
    throw Error(ExitCode::usage, fmt::format("no container of its manifests has the image `{}`", image))
        .hint("write the image's name in this file: slipway puts the digest there");
  return out;
}

}  // namespace slipway::kubernetes
