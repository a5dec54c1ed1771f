#include "plan/plan.h"

#include "base/compact_json.h"
#include "base/error.h"

namespace slipway {

namespace {

// A reference is an object of exactly {"$ref": step} or {"$ref": step, "path": pointer}.
bool is_reference(const json& value) {
  if (!value.is_object()) return false;
  const auto ref = value.find("$ref");
  return ref != value.end() && ref->is_string() && value.size() == 1 + value.count("path");
}

bool is_join(const json& value) {
  if (!value.is_object() || value.size() != 1) return false;
  const auto parts = value.find("$join");
  return parts != value.end() && parts->is_array();
}

void collect_references(const json& value, std::vector<std::string>& out) {
  if (is_reference(value)) {
    out.push_back(value["$ref"].get<std::string>());
  } else if (value.is_structured()) {
    for (const auto& inner : value) collect_references(inner, out);
  }
}

json outputs_at(const json& reference, const json& outputs) {
  const auto step = reference["$ref"].get<std::string>();
  const auto path = reference.value("path", std::string());
  try {
    const json::json_pointer pointer(path);
    if (outputs.contains(pointer)) return outputs.at(pointer);
  } catch (const json::exception&) {
    // No pointer at all: the same mistake of whoever made the plan.
  }
  throw Error(ExitCode::internal, fmt::format("step `{}` has no output `{}`", step, path));
}

constexpr std::string_view kWhen[] = {"success", "always", "failure"};
constexpr std::string_view kSecretKinds[] = {"env", "file", "command"};

json location_to_json(const Location& where) {
  return {{"file", where.file}, {"line", where.line}, {"column", where.column}, {"length", where.length}};
}

Location location_from_json(const json& saved) {
  return {saved.at("file").get<std::string>(), saved.at("line").get<int>(), saved.at("column").get<int>(),
          saved.at("length").get<int>()};
}

template <typename Enum, std::size_t N>
Enum word_of(const std::string_view (&words)[N], const json& saved) {
  const auto text = saved.get<std::string>();
  const auto it = std::find(std::begin(words), std::end(words), text);
  if (it == std::end(words))
    throw Error(ExitCode::usage, fmt::format("the plan is damaged: `{}` is unknown", text));
  return static_cast<Enum>(it - std::begin(words));
}

// All but its params.
json step_to_json(const Step& step) {
  json out = {{"name", step.name}, {"phase", step.phase}, {"uses", step.uses}, {"action", step.action}};
  if (!step.env.empty()) out["env"] = step.env;
  if (!step.needs.empty()) out["needs"] = step.needs;
  if (!step.secrets.empty()) out["secrets"] = step.secrets;
  if (step.timeout) out["timeout_ms"] = step.timeout->count();
  if (step.retries.max) out["retries"] = {{"max", step.retries.max}, {"infra_only", step.retries.infra_only}};
  if (!step.cache) out["cache"] = false;
  if (step.preview) out["preview"] = true;
  if (step.continue_on_error) out["continue_on_error"] = true;
  if (step.when != When::success) out["when"] = kWhen[static_cast<std::size_t>(step.when)];
  if (step.where.known()) out["where"] = location_to_json(step.where);
  return out;
}

Step step_from_json(const json& saved, StepId id) {
  Step step;
  step.id = id;
  step.name = saved.at("name").get<std::string>();
  step.phase = saved.at("phase").get<std::string>();
  step.uses = saved.at("uses").get<std::string>();
  step.action = saved.at("action").get<std::string>();
  step.params = saved.at("params");
  if (auto it = saved.find("env"); it != saved.end())
    step.env = it->get<std::map<std::string, std::string>>();
  if (auto it = saved.find("needs"); it != saved.end()) step.needs = it->get<std::vector<StepId>>();
  if (auto it = saved.find("secrets"); it != saved.end()) step.secrets = it->get<std::vector<std::string>>();
  if (auto it = saved.find("timeout_ms"); it != saved.end()) step.timeout = Millis(it->get<std::int64_t>());
  if (auto it = saved.find("retries"); it != saved.end())
    step.retries = {it->at("max").get<int>(), it->at("infra_only").get<bool>()};
  step.cache = saved.value("cache", true);
  step.preview = saved.value("preview", false);
  step.continue_on_error = saved.value("continue_on_error", false);
  if (auto it = saved.find("when"); it != saved.end()) step.when = word_of<When>(kWhen, *it);
  if (auto it = saved.find("where"); it != saved.end()) step.where = location_from_json(*it);
  for (auto need : step.needs) {
    if (need >= id)
      throw Error(ExitCode::usage,
                  fmt::format("the plan is damaged: `{}` needs a step that comes later", step.name));
  }
  return step;
}

}  // namespace

const Step* Plan::find(std::string_view wanted) const {
  for (const auto& step : steps)
    if (step.name == wanted) return &step;
  return nullptr;
}

namespace {

json without_steps(const Plan& plan) {
  json out = {{"version", Plan::kVersion},
              {"name", plan.name},
              {"environment", plan.environment},
              {"spec_file", plan.spec_file.string()},
              {"project_dir", plan.project_dir.string()},
              {"keep_runs", plan.keep_runs}};
  json secrets = json::object();
  for (const auto& [name, source] : plan.secrets) {
    json& s = secrets[name] = {{"kind", kSecretKinds[static_cast<std::size_t>(source.kind)]}};
    if (!source.name.empty()) s["name"] = source.name;
    if (!source.command.empty()) s["command"] = source.command;
  }
  out["secrets"] = std::move(secrets);
  return out;
}

}  // namespace

json to_json(const Plan& plan) {
  json out = without_steps(plan);
  json& steps = out["steps"] = json::array();
  for (const auto& step : plan.steps) {
    steps.push_back(step_to_json(step));
    steps.back()["params"] = step.params;
  }
  return out;
}

std::string to_text(const Plan& plan) {
  std::string out = compact_json(without_steps(plan));
  out.back() = ',';
  out += "\"steps\":[";
  for (const auto& step : plan.steps) {
    append_json(out, step_to_json(step));
    out.back() = ',';
    out += "\"params\":";
    append_json(out, step.params);
    out += "},";
  }
  if (out.back() == ',') out.pop_back();
  return out += "]}";
}

Plan plan_from_json(const json& saved) {
  if (!saved.is_object() || !saved.contains("version") || !saved.contains("steps"))
    throw Error(ExitCode::usage, "this is no plan of slipway");
  if (saved["version"] != Plan::kVersion) {
    throw Error(ExitCode::usage,
                fmt::format("plans of version {} are not known here", saved["version"].dump()))
        .hint("make it again with `slipway plan --out FILE`");
  }
  try {
    Plan plan;
    plan.name = saved.at("name").get<std::string>();
    plan.environment = saved.at("environment").get<std::string>();
    plan.spec_file = saved.at("spec_file").get<std::string>();
    plan.project_dir = saved.at("project_dir").get<std::string>();
    plan.keep_runs = saved.value("keep_runs", plan.keep_runs);
    for (const auto& [name, s] : saved.at("secrets").items()) {
      SecretSource source;
      source.kind = word_of<SecretSource::Kind>(kSecretKinds, s.at("kind"));
      source.name = s.value("name", std::string());
      if (auto it = s.find("command"); it != s.end()) source.command = it->get<std::vector<std::string>>();
      plan.secrets.emplace(name, std::move(source));
    }
    for (const auto& s : saved.at("steps"))
      plan.steps.push_back(step_from_json(s, static_cast<StepId>(plan.steps.size())));
    return plan;
  } catch (const json::exception& e) {
    throw Error(ExitCode::usage, fmt::format("the plan is damaged: {}", e.what()));
  }
}

std::vector<std::string> referenced_steps(const json& params) {
  std::vector<std::string> out;
  collect_references(params, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

json resolve_references(const json& params,
                        const std::function<const json*(const std::string&)>& outputs_of) {
  if (is_reference(params)) {
    const auto step = params["$ref"].get<std::string>();
    const json* outputs = outputs_of(step);
    if (!outputs) throw Error(ExitCode::internal, fmt::format("step `{}` has left no outputs", step));
    return outputs_at(params, *outputs);
  }
  if (is_join(params)) {
    std::string out;
    for (const auto& part : params["$join"]) {
      const auto value = resolve_references(part, outputs_of);
      out += value.is_string() ? value.get<std::string>() : value.dump();
    }
    return out;
  }
  if (params.is_object()) {
    json out = json::object();
    for (const auto& [name, value] : params.items()) out[name] = resolve_references(value, outputs_of);
    return out;
  }
  if (params.is_array()) {
    json out = json::array();
    for (const auto& value : params) out.push_back(resolve_references(value, outputs_of));
    return out;
  }
  return params;
}

}  // namespace slipway
