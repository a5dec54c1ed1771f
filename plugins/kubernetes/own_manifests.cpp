#include "plugins/kubernetes/own_manifests.h"

#include "base/glob.h"
#include "plugins/kubernetes/kinds.h"
#include "sys/base64.h"
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

// Of the kinds that people put beside a service, those that belong to no namespace; custom ones are asked for
// when there is a cluster.
bool is_cluster_wide(const json& object, const std::set<std::string>& custom) {
  static const std::set<std::string> kinds = {"Namespace",
                                              "ClusterRole",
                                              "ClusterRoleBinding",
                                              "CustomResourceDefinition",
                                              "PersistentVolume",
                                              "StorageClass",
                                              "IngressClass",
                                              "PriorityClass",
                                              "RuntimeClass",
                                              "ValidatingWebhookConfiguration",
                                              "MutatingWebhookConfiguration",
                                              "APIService"};
  const auto kind = object.value("kind", "");
  return kinds.contains(kind) || custom.contains(key_of(object).group() + "/" + kind);
}

// Cluster-wide kinds that the objects themselves define: "group/Kind".
std::set<std::string> custom_cluster_wide(const std::vector<json>& objects) {
  std::set<std::string> out;
  for (const auto& object : objects)
    if (object.value("kind", "") == "CustomResourceDefinition" &&
        object.value("/spec/scope"_json_pointer, "") == "Cluster")
      out.insert(object.value("/spec/group"_json_pointer, "") + "/" +
                 object.value("/spec/names/kind"_json_pointer, ""));
  return out;
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
      // One form of the two: what is masked, compared and kept out of records is `data`.
      if (object.value("kind", "") == "Secret" && object.contains("stringData")) {
        for (const auto& [field, plain] : object["stringData"].items())
          object["data"][field] = base64_encode(plain.is_string() ? plain.get<std::string>() : plain.dump());
        object.erase("stringData");
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

// The default that server-side apply does not know before 1.21, and refuses a port without.
void name_protocols(json& ports) {
  if (!ports.is_array()) return;
  for (auto& port : ports)
    if (port.is_object() && !port.contains("protocol")) port["protocol"] = "TCP";
}

// Labels that slipway sets on pods cannot be asked for with another value.
void check_selector(const json& object, const Place& place) {
  const auto wanted = object.value("/spec/selector/matchLabels"_json_pointer, json::object());
  for (const auto& [label, value] :
       {std::pair<const char*, std::string>{"app.kubernetes.io/part-of", place.project},
        {"slipway.dev/environment", place.environment}})
    if (wanted.contains(label) && wanted[label] != value)
      throw Error(ExitCode::usage, fmt::format("{} selects pods by `{}: {}`, which slipway sets to `{}`",
                                               key_of(object).str(), label, wanted.value(label, ""), value))
          .hint("select by labels of your own, such as `app`");
}

}  // namespace

std::vector<json> read_manifests(const json& manifests, const fs::path& project_dir) {
  std::vector<json> out;
  std::map<ObjectKey, Location> known;
  Diagnostics diagnostics;
  for (const auto& file : files_of(manifests.value("files", json::array()), project_dir))
    add_stream(out, known, read_file(file, 16u << 20), file.lexically_relative(project_dir).string(),
               diagnostics);
  const auto printed_by = [&](std::vector<std::string> argv) {
    Command command;
    command.argv = std::move(argv);
    command.cwd = project_dir;
    WaitOptions options;
    options.timeout = kCommandLimit;
    add_stream(out, known, run_capture(command, options), fmt::format("output of {}", command.argv[0]),
               diagnostics);
  };
  if (manifests.contains("kustomize")) {
    const auto folder = manifests["kustomize"].get<std::string>();
    if (!path_inside("/", folder) || folder.starts_with('/') || folder.starts_with('-'))
      throw Error(ExitCode::usage, fmt::format("the folder `{}` leads out of the project", folder));
    printed_by({"kustomize", "build", folder});
  }
  if (manifests.contains("command")) printed_by(manifests["command"].get<std::vector<std::string>>());
  diagnostics.throw_if_errors();
  if (out.empty()) throw Error(ExitCode::usage, "its manifests hold no object");
  return out;
}

std::vector<ServiceObjects> own_objects(std::vector<json> objects, const std::string& service,
                                        const std::string& image, const std::string& reference,
                                        const Place& place) {
  std::vector<ServiceObjects> out;
  std::vector<json> config, after;
  int images = 0;
  const auto labels = place.labels();
  const auto custom = custom_cluster_wide(objects);
  const auto place_one = [&](json& object) {
    const auto key = key_of(object);
    object.erase("status");
    if (is_cluster_wide(object, custom)) {
      object["metadata"].erase("namespace");
    } else {
      if (!key.name_space.empty() && key.name_space != place.name_space)
        throw Error(ExitCode::usage, fmt::format("{} is for the namespace `{}`, this environment is `{}`",
                                                 key.str(), key.name_space, place.name_space))
            .hint("leave `namespace` out of manifests: the target names it");
      object["metadata"]["namespace"] = place.name_space;
    }
    auto& own_labels = object["metadata"]["labels"];
    if (!own_labels.contains("app.kubernetes.io/name")) own_labels["app.kubernetes.io/name"] = service;
    own_labels.update(labels);
    if (key.kind == "Service" && object.contains("/spec/ports"_json_pointer))
      name_protocols(object["spec"]["ports"]);
    const bool serves = is_workload(object);
    if (const auto at = pod_of(object)) {
      auto& pod = object[*at];
      images += put_image(pod["spec"], image, reference);
      for (const char* list : {"initContainers", "containers"})
        if (pod["spec"].contains(list))
          for (auto& container : pod["spec"][list])
            if (container.contains("ports")) name_protocols(container["ports"]);
      // What belongs to this service is found by these; the user's own selectors stay as they are.
      auto& on_pod = pod["metadata"]["labels"];
      check_selector(object, place);
      if (!on_pod.contains("app.kubernetes.io/name")) on_pod["app.kubernetes.io/name"] = service;
      on_pod["app.kubernetes.io/part-of"] = place.project;
      on_pod["slipway.dev/environment"] = place.environment;
      on_pod[kServiceLabel] = service;
      if (!serves || !out.empty()) on_pod[kPartLabel] = key.name;
    }
    if (serves) {
      ServiceObjects one;
      one.own = true;
      one.name = out.empty() ? service : service + "." + key.name;
      one.workload = std::move(object);
      out.push_back(std::move(one));
    } else {
      (key.kind == "Ingress" || key.kind == "PodDisruptionBudget" || key.kind == "HorizontalPodAutoscaler"
           ? after
           : config)
          .push_back(std::move(object));
    }
  };
  for (auto& object : objects) {
    const auto key = key_of(object);
    try {
      place_one(object);
    } catch (const json::exception&) {
      throw Error(ExitCode::usage,
                  fmt::format("{} is not built as a {} is: a list, a mapping or a text stands "
                              "where another of them belongs",
                              key.str(), key.kind))
          .hint("`kubectl explain` shows how it is built");
    }
  }
  if (out.empty())
    throw Error(ExitCode::usage, "its manifests hold no Deployment and no StatefulSet")
        .hint("one of them is what slipway waits for; put others beside it");
  if (images == 0)
    throw Error(ExitCode::usage, fmt::format("no container of its manifests has the image `{}`", image))
        .hint("write the image's name in this file: slipway puts the digest there");
  out[0].config = std::move(config);
  out[0].after = std::move(after);
  return out;
}

}  // namespace slipway::kubernetes
