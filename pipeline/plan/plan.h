// The immutable list of steps, in topological order. Printable, savable; nothing after it reads YAML.
#pragma once
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/location.h"
#include "base/secret.h"

namespace slipway {

using json = nlohmann::json;
using StepId = std::uint32_t;  // index into Plan::steps

// When a step runs, given how the steps it needs ended.
enum class When { success, always, failure };

struct Retries {
  int max = 0;             // further tries after the first
  bool infra_only = true;  // only faults outside the user's input
};

// Where a secret's value comes from; resolved when the step starts, never earlier, never stored.
struct SecretSource {
  enum class Kind { env, file, command } kind = Kind::env;
  std::string name;                  // the variable, or the file (~ allowed)
  std::vector<std::string> command;  // argv; stdout without the last newline
};

struct Step {
  StepId id = 0;
  std::string name;   // stable: "<phase>.<service>[.<name>]", e.g. "build.users"
  std::string phase;  // "source" "build" "test" "push" "gate" "approval" "deploy" "verify" "step"
  std::string uses;   // the plugin
  std::string action;
  // A value {"$ref": "build.users", "path": "/digest"} stands for that output (JSON pointer) of a needed
  // step.
  json params = json::object();
  std::map<std::string, std::string> env;
  std::vector<StepId> needs;         // every id is smaller than this step's
  std::vector<std::string> secrets;  // names in Plan::secrets
  std::optional<Millis> timeout;
  Retries retries;
  bool cache = true;
  // Only tells what the action would do; its outputs are {"lines": [texts], "changes": would it change
  // anything, or is that unknown}.
  bool preview = false;
  bool continue_on_error = false;
  When when = When::success;
  Location where;  // in the spec
};

struct Plan {
  static constexpr int kVersion = 1;
  std::string name;         // the spec's
  std::string environment;  // "" when none was chosen
  std::filesystem::path spec_file, project_dir;
  std::map<std::string, SecretSource> secrets;
  std::vector<Step> steps;
  int keep_runs = 200;  // journals left when a run of this plan has ended

  const Step* find(std::string_view name) const;
};

json to_json(const Plan& plan);
std::string to_text(const Plan& plan);   // the same in one line, without the tree
Plan plan_from_json(const json& saved);  // throws Error(usage) when it is no plan of this version

// {"$join": [a, b…]} in params is the text of its parts, one after the other.

// The names in {"$ref": …} objects of `params`.
std::vector<std::string> referenced_steps(const json& params);
// `params` with every {"$ref", "path"} replaced by that output; throws Error(internal) when it is missing.
json resolve_references(const json& params,
                        const std::function<const json*(const std::string& step)>& outputs_of);

}  // namespace slipway
