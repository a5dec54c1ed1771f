#include "plugins/kubernetes/diff.h"

#include <algorithm>

namespace slipway::kubernetes {

namespace {

constexpr std::size_t kMostFields = 500;  // of one object

bool is_the_clusters(const std::string& path) {
  static const std::set<std::string> paths = {"status",
                                              "metadata.managedFields",
                                              "metadata.resourceVersion",
                                              "metadata.generation",
                                              "metadata.uid",
                                              "metadata.creationTimestamp",
                                              "metadata.selfLink",
                                              "apiVersion",
                                              "kind",
                                              "metadata.name",
                                              "metadata.namespace"};
  return paths.contains(path);
}

std::string below(const std::string& path, const std::string& key) {
  if (key.find_first_of("./[ ") != std::string::npos) return path + "[" + key + "]";
  return path.empty() ? key : path + "." + key;
}

// What tells the members of two lists apart: the first key that all of them have, each with another value.
std::string key_of_lists(const json& a, const json& b) {
  for (const char* key : {"name", "mountPath", "containerPort", "port", "key", "type", "host"}) {
    bool good = true;
    for (const auto* list : {&a, &b}) {
      std::set<json> seen;
      for (const auto& item : *list)
        good &= item.is_object() && item.contains(key) && item.at(key).is_primitive() &&
                seen.insert(item.at(key)).second;
    }
    if (good) return key;
  }
  return "";
}

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

class Comparison {
 public:
  std::vector<FieldChange> out;

  void compare(const std::string& path, const json& before, const json& after) {
    if (before == after || is_the_clusters(path) || out.size() >= kMostFields) return;
    const auto can = [&](auto is) {
      return (is(before) && is(after)) || (before.is_null() && is(after) && !after.empty()) ||
             (is(before) && after.is_null() && !before.empty());
    };
    if (can([](const json& one) { return one.is_object(); })) return objects(path, before, after);
    if (can([](const json& one) { return one.is_array(); })) return lists(path, before, after);
    out.push_back({path, before, after});
  }

 private:
  void objects(const std::string& path, const json& before, const json& after) {
    std::set<std::string> keys;
    for (const auto* one : {&before, &after})
      if (one->is_object())
        for (const auto& [key, _] : one->items()) keys.insert(key);
    for (const auto& key : keys)
      compare(below(path, key), before.is_object() ? before.value(key, json()) : json(),
              after.is_object() ? after.value(key, json()) : json());
  }

  void lists(const std::string& path, const json& before, const json& after) {
    const json none = json::array();
    const auto& a = before.is_array() ? before : none;
    const auto& b = after.is_array() ? after : none;
    const auto structured = [](const json& one) { return one.is_structured(); };
    if (std::none_of(a.begin(), a.end(), structured) && std::none_of(b.begin(), b.end(), structured)) {
      out.push_back({path, before, after});
      return;
    }
    if (const auto key = key_of_lists(a, b); !key.empty()) {
      const auto find = [&](const json& list, const json& name) {
        for (const auto& item : list)
          if (item.at(key) == name) return item;
        return json();
      };
      for (const auto& item : a)
        compare(fmt::format("{}[{}]", path, text_of(item.at(key))), item, find(b, item.at(key)));
      for (const auto& item : b)
        if (find(a, item.at(key)).is_null())
          compare(fmt::format("{}[{}]", path, text_of(item.at(key))), json(), item);
      return;
    }
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i)
      compare(fmt::format("{}[{}]", path, i), i < a.size() ? a[i] : json(), i < b.size() ? b[i] : json());
  }
};

// The values of a Secret, and what kubectl leaves of them in an annotation.
void mask(std::vector<FieldChange>& changes) {
  for (auto& one : changes) {
    const bool value = one.path.starts_with("data") || one.path.starts_with("stringData") ||
                       one.path.find("last-applied-configuration") != std::string::npos;
    if (!value) continue;
    const bool both = !one.before.is_null() && !one.after.is_null();
    if (!one.before.is_null()) one.before = "(secret)";
    if (!one.after.is_null()) one.after = both ? "(changed)" : "(secret)";
  }
}

json told(const Rollout::Change& change) {
  const auto& object = change.manifest.is_null() ? change.before : change.manifest;
  const auto key = key_of(object);
  json out = {{"object", key.str()}, {"service", change.service}, {"fields", json::array()}};
  if (!key.name_space.empty()) out["namespace"] = key.name_space;
  out["change"] = change.manifest.is_null() ? "remove" : change.before.is_null() ? "add" : "change";
  if (change.manifest.is_null()) return out;
  const auto& after = change.before.is_null() ? change.manifest : change.tried.object;
  if (!after.is_null())
    for (const auto& one : changes_between(change.before, after))
      out["fields"].push_back({{"path", one.path}, {"before", one.before}, {"after", one.after}});
  for (const auto& one : change.tried.conflicts)
    out["conflicts"].push_back({{"field", one.field}, {"manager", one.manager}});
  if (change.tried.refusal && change.tried.conflicts.empty()) {
    out["change"] = "refused";
    out["refused"] = change.tried.refusal->message();
    out["hint"] = change.tried.refusal->hint();
  }
  if (change.was_written) out["drift"] = true;
  return out;
}

}  // namespace

std::vector<FieldChange> changes_between(const json& before, const json& after) {
  Comparison comparison;
  comparison.compare("", before, after);
  const auto& object = after.is_null() ? before : after;
  if (object.value("kind", "") == "Secret") mask(comparison.out);
  return std::move(comparison.out);
}

json diff(Rollout& rollout, const std::vector<ServiceObjects>& services) {
  json objects = json::array();
  for (const auto& change : rollout.compare(services)) {
    if (change.tried.refusal && change.tried.refusal->code() == ExitCode::auth) {
      Error error = *change.tried.refusal;
      throw error.detail(
          "a diff asks the cluster what it would make of each object, without effect: that needs the "
          "same rights as a rollout (plugins/kubernetes/role.yaml)");
    }
    auto one = told(change);
    if (one["change"] == "change" && one["fields"].empty() && !one.contains("conflicts")) continue;
    objects.push_back(std::move(one));
  }
  return {{"changes", !objects.empty()}, {"objects", std::move(objects)}};
}

}  // namespace slipway::kubernetes
