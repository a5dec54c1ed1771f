// One table per section of the spec: it reads the section, and it is what the JSON Schema and the reference
// are made of. A key has one row: name, what it is, how it is read.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "base/suggest.h"
#include "sys/yaml_node.h"

namespace slipway {

// The part of a row that does not know the struct it fills.
struct KeyInfo {
  std::string name;
  std::string summary;    // one sentence for the reference and the editor
  nlohmann::json schema;  // JSON Schema draft-07 of the value
  bool required = false;
  bool planned = false;  // known, not built: using it is an error that says so
};

template <typename T>
struct Key : KeyInfo {
  std::function<void(T&, const Node&, Diagnostics&)> read;
};

template <typename T>
struct Table {
  std::string title;  // "service": for messages
  std::string summary;
  std::vector<Key<T>> keys;

  // Reads a mapping into `into`; every unknown, planned or missing key is a mistake.
  void read(T& into, const Node& node, Diagnostics& diagnostics) const {
    if (!node.is_mapping()) {
      diagnostics.error(node.where, fmt::format("a {} is a mapping, not {}", title, node.describe()));
      return;
    }
    for (const auto& member : node.members) {
      if (member.key.starts_with("x-")) continue;
      const auto* key = find(member.key);
      if (!key) {
        Location where = member.where;
        where.length = static_cast<int>(std::max<std::size_t>(1, member.key.size()));
        diagnostics.error(where, fmt::format("unknown key `{}` in {}", member.key, title),
                          suggestion_hint(member.key, names()));
      } else if (key->planned) {
        diagnostics.error(member.where, fmt::format("`{}` is not built yet: {}", member.key, key->summary),
                          "take it out: slipway does not ignore what it cannot do");
      } else {
        key->read(into, *member.value, diagnostics);
      }
    }
    for (const auto& key : keys)
      if (key.required && !node.find(key.name))
        diagnostics.error(node.where, fmt::format("`{}` is missing in this {}", key.name, title),
                          key.summary);
  }

  nlohmann::json schema() const {
    nlohmann::json properties = nlohmann::json::object(), required = nlohmann::json::array();
    for (const auto& key : keys) {
      if (key.planned) continue;
      properties[key.name] = key.schema;
      properties[key.name]["description"] = key.summary;
      if (key.required) required.push_back(key.name);
    }
    nlohmann::json out = {{"type", "object"},
                          {"description", summary},
                          {"properties", properties},
                          {"patternProperties", {{"^x-", nlohmann::json::object()}}},
                          {"additionalProperties", false}};
    if (!required.empty()) out["required"] = required;
    return out;
  }

 private:
  const Key<T>* find(const std::string& name) const {
    for (const auto& key : keys)
      if (key.name == name) return &key;
    return nullptr;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& key : keys)
      if (!key.planned) out.push_back(key.name);
    return out;
  }
};

}  // namespace slipway
