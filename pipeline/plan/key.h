// Cache keys: what a step's outcome depends on, and its SHA-256.
#pragma once
#include <string>

#include "plan/plan.h"
#include "plugin/plugin.h"

namespace slipway {

// What decides the outcome of a step, as canonical JSON (sorted members): plugin, version, action, params,
// env and, when the plugin has one, fingerprint. Kept beside the key so that `slipway why` can name what
// changed. Never holds a secret's value: params name secrets, they do not carry them.
struct StepKey {
  std::string hash;   // 64 hex digits
  std::string parts;  // that JSON
};

// `params` have their references resolved. Properties whose schema says "x-slipway-key": false are left out,
// at any depth that `properties`, `items` and `additionalProperties` reach.
StepKey step_key(const PluginInfo& plugin, const ActionInfo& action, const json& params,
                 const std::map<std::string, std::string>& env, const json& fingerprint);

// `value` without what its schema keeps out of the key.
json keyed_part(const json& value, const json& schema);

}  // namespace slipway
