#include "plan/key.h"

#include "base/compact_json.h"
#include "sys/digest.h"

namespace slipway {

namespace {

// Raise it when the form of the parts changes: every old key is then a miss.
constexpr int kKeyVersion = 1;

bool out_of_key(const json& schema) {
  if (!schema.is_object()) return false;
  const auto it = schema.find("x-slipway-key");
  return it != schema.end() && it->is_boolean() && !it->get<bool>();
}

const json* schema_of_member(const json& schema, const std::string& name) {
  if (!schema.is_object()) return nullptr;
  if (auto properties = schema.find("properties"); properties != schema.end() && properties->is_object())
    if (auto it = properties->find(name); it != properties->end()) return &*it;
  if (auto it = schema.find("additionalProperties"); it != schema.end() && it->is_object()) return &*it;
  return nullptr;
}

}  // namespace

json keyed_part(const json& value, const json& schema) {
  if (!schema.is_object()) return value;
  if (value.is_object()) {
    json out = json::object();
    for (const auto& [name, member] : value.items()) {
      const json* inner = schema_of_member(schema, name);
      if (inner && out_of_key(*inner)) continue;
      out[name] = inner ? keyed_part(member, *inner) : member;
    }
    return out;
  }
  if (value.is_array()) {
    const auto items = schema.find("items");
    if (items == schema.end() || !items->is_object()) return value;
    json out = json::array();
    for (const auto& item : value) out.push_back(keyed_part(item, *items));
    return out;
  }
  return value;
}

StepKey step_key(const PluginInfo& plugin, const ActionInfo& action, const json& params,
                 const std::map<std::string, std::string>& env, const json& fingerprint) {
  json parts = {{"slipway", kKeyVersion},
                {"plugin", plugin.name},
                {"version", plugin.version},
                {"action", action.name}};
  parts["params"] = keyed_part(params, action.params);
  if (!env.empty()) parts["env"] = env;
  if (!fingerprint.is_null()) parts["fingerprint"] = fingerprint;
  StepKey key;
  key.parts = compact_json(parts);
  key.hash = Digest::of(key.parts).hex();
  return key;
}

}  // namespace slipway
