// Plugin values to JSON and back. What comes from a child is checked against a schema before it is read.
#include "plugin/schema.h"
#include "plugin/wire.h"

namespace slipway::wire {

namespace {

const json& schema_of_info() {
  static const json schema = json::parse(R"({
    "type": "object", "required": ["name", "version", "actions"],
    "properties": {
      "name": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"},
      "version": {"type": "string", "minLength": 1, "maxLength": 200},
      "summary": {"type": "string", "maxLength": 1000},
      "actions": {"type": "array", "minItems": 1, "maxItems": 100, "items": {
        "type": "object", "required": ["name"],
        "properties": {
          "name": {"type": "string", "pattern": "^[a-z][a-z0-9_.-]{0,62}$"},
          "summary": {"type": "string", "maxLength": 1000},
          "params": {"type": "object"}, "outputs": {"type": "object"},
          "secrets": {"type": "array", "items": {"type": "string", "minLength": 1}},
          "cacheable": {"type": "boolean"}, "slow_fingerprint": {"type": "boolean"},
          "waits": {"type": "boolean"}, "can_preview": {"type": "boolean"}, "can_undo": {"type": "boolean"}}}}}})");
  return schema;
}

const json& schema_of_outcome() {
  static const json schema = json::parse(R"({
    "type": "object", "required": ["ok"],
    "properties": {
      "ok": {"type": "boolean"}, "outputs": {"type": "object"}, "failure": {"type": "string"},
      "exit_code": {"enum": [1, 4, 5, 8]}, "detail": {"type": "string"},
      "infrastructure": {"type": "boolean"}, "where": {"type": "object"}}})");
  return schema;
}

const json& schema_of_invocation() {
  static const json schema = json::parse(R"({
    "type": "object", "required": ["action"],
    "properties": {
      "action": {"type": "string"}, "params": {"type": "object"},
      "env": {"type": "object", "additionalProperties": {"type": "string"}},
      "secrets": {"type": "object", "additionalProperties": {"type": "string"}},
      "project_dir": {"type": "string"}, "cache_dir": {"type": "string"}, "state_dir": {"type": "string"},
      "work_dir": {"type": "string"}, "reports_dir": {"type": "string"},
      "run_id": {"type": "string"}, "step": {"type": "string"}}})");
  return schema;
}

const json& schema_of_progress() {
  static const json schema = json::parse(R"({
    "type": "object", "required": ["text"],
    "properties": {"text": {"type": "string"}, "current": {"type": "integer"}, "total": {"type": "integer"},
                   "unit": {"type": "string"}}})");
  return schema;
}

json to_json(const Location& where) {
  return {{"file", where.file}, {"line", where.line}, {"column", where.column}, {"length", where.length}};
}

Location location_from(const json& holder) {
  Location where;
  const auto it = holder.find("where");
  if (it == holder.end() || !it->is_object()) return where;
  const auto number = [&](const char* name, int otherwise) {
    const auto found = it->find(name);
    return found != it->end() && found->is_number_integer()
               ? static_cast<int>(std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, 1 << 30))
               : otherwise;
  };
  if (const auto file = it->find("file"); file != it->end() && file->is_string())
    where.file = file->get<std::string>();
  where.line = number("line", 0);
  where.column = number("column", 0);
  where.length = number("length", 1);
  return where;
}

std::string text_of(const json& holder, const char* name) {
  const auto it = holder.find(name);
  return it != holder.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const json& holder, const char* name) {
  std::vector<std::string> out;
  if (const auto it = holder.find(name); it != holder.end() && it->is_array())
    for (const auto& one : *it)
      if (one.is_string()) out.push_back(one.get<std::string>());
  return out;
}

bool is_exit_code(const json& value) {
  if (!value.is_number_integer()) return false;
  switch (value.get<std::int64_t>()) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 70:
    case 130:
    case 143:
      return true;
    default:
      return false;
  }
}

}  // namespace

json failure(const json& id, const Error& error) {
  json data = {{"exit", static_cast<int>(error.code())}, {"retryable", error.is_retryable()}};
  if (!error.hint().empty()) data["hint"] = error.hint();
  if (!error.detail().empty()) data["detail"] = error.detail();
  if (!error.trail().empty()) data["trail"] = error.trail();
  if (error.where().known()) data["where"] = to_json(error.where());
  return failure(id, cannot_go_on, error.message(), std::move(data));
}

json to_json(const PluginInfo& info) {
  json actions = json::array();
  for (const auto& action : info.actions)
    actions.push_back({{"name", action.name},
                       {"summary", action.summary},
                       {"params", action.params.is_null() ? json::object() : action.params},
                       {"outputs", action.outputs.is_null() ? json::object() : action.outputs},
                       {"secrets", action.secrets},
                       {"cacheable", action.cacheable},
                       {"slow_fingerprint", action.slow_fingerprint},
                       {"waits", action.waits},
                       {"can_preview", action.can_preview},
                       {"can_undo", action.can_undo}});
  return {{"name", info.name},
          {"version", info.version},
          {"summary", info.summary},
          {"actions", std::move(actions)}};
}

json to_json(const Invocation& invocation, bool with_secrets) {
  json out = {{"action", invocation.action},
              {"params", invocation.params.is_null() ? json::object() : invocation.params},
              {"env", invocation.env},
              {"project_dir", invocation.project_dir.string()},
              {"cache_dir", invocation.cache_dir.string()},
              {"state_dir", invocation.state_dir.string()},
              {"work_dir", invocation.work_dir.string()},
              {"reports_dir", invocation.reports_dir.string()},
              {"run_id", invocation.run_id},
              {"step", invocation.step}};
  if (with_secrets) {
    auto& secrets = out["secrets"] = json::object();
    for (const auto& [name, secret] : invocation.secrets) secrets[name] = secret.reveal();
  }
  return out;
}

json to_json(const Outcome& outcome) {
  json out = {{"ok", outcome.ok}};
  if (outcome.outputs.is_object() && !outcome.outputs.empty()) out["outputs"] = outcome.outputs;
  if (outcome.ok) return out;
  out["failure"] = outcome.failure;
  out["exit_code"] = outcome.exit_code;
  if (!outcome.detail.empty()) out["detail"] = outcome.detail;
  if (outcome.infrastructure) out["infrastructure"] = true;
  if (outcome.where.known()) out["where"] = to_json(outcome.where);
  return out;
}

json to_json(const Progress& progress) {
  json out = {{"text", progress.text}};
  if (progress.current) out["current"] = progress.current;
  if (progress.total) out["total"] = progress.total;
  if (!progress.unit.empty()) out["unit"] = progress.unit;
  return out;
}

PluginInfo info_from_json(const json& answer) {
  require_schema(answer, schema_of_info(), "its answer to `initialize`");
  PluginInfo info;
  info.name = answer.at("name").get<std::string>();
  info.version = answer.at("version").get<std::string>();
  info.summary = text_of(answer, "summary");
  for (const auto& one : answer.at("actions")) {
    ActionInfo action;
    action.name = one.at("name").get<std::string>();
    action.summary = text_of(one, "summary");
    action.params = one.value("params", json::object());
    action.outputs = one.value("outputs", json::object());
    action.secrets = texts_of(one, "secrets");
    action.cacheable = one.value("cacheable", false);
    action.slow_fingerprint = one.value("slow_fingerprint", false);
    action.waits = one.value("waits", false);
    action.can_preview = one.value("can_preview", false);
    action.can_undo = one.value("can_undo", false);
    if (info.find(action.name))
      throw Error(ExitCode::usage,
                  fmt::format("its answer to `initialize`: there are two actions `{}`", action.name));
    for (const auto* schema : {&action.params, &action.outputs})
      if (const auto wrong = check_is_schema(*schema); !wrong.empty())
        throw Error(ExitCode::usage, fmt::format("its answer to `initialize`: the {} of `{}`: {}",
                                                 schema == &action.params ? "params" : "outputs", action.name,
                                                 wrong[0].message))
            .hint(wrong[0].hint);
    info.actions.push_back(std::move(action));
  }
  return info;
}

Invocation invocation_from_json(const json& params) {
  require_schema(params, schema_of_invocation(), "the request");
  Invocation out;
  out.action = params.at("action").get<std::string>();
  out.params = params.value("params", json::object());
  if (const auto env = params.find("env"); env != params.end())
    for (const auto& [name, value] : env->items()) out.env[name] = value.get<std::string>();
  if (const auto secrets = params.find("secrets"); secrets != params.end())
    for (const auto& [name, value] : secrets->items())
      out.secrets.emplace(name, Secret(value.get<std::string>()));
  out.project_dir = text_of(params, "project_dir");
  out.cache_dir = text_of(params, "cache_dir");
  out.state_dir = text_of(params, "state_dir");
  out.work_dir = text_of(params, "work_dir");
  out.reports_dir = text_of(params, "reports_dir");
  out.run_id = text_of(params, "run_id");
  out.step = text_of(params, "step");
  return out;
}

Outcome outcome_from_json(const json& answer) {
  require_schema(answer, schema_of_outcome(), "its answer");
  Outcome out;
  out.ok = answer.at("ok").get<bool>();
  out.outputs = answer.value("outputs", json::object());
  out.failure = text_of(answer, "failure");
  out.exit_code = answer.value("exit_code", 1);
  out.detail = text_of(answer, "detail");
  out.where = location_from(answer);
  out.infrastructure = answer.value("infrastructure", false);
  if (!out.ok && out.failure.empty())
    throw Error(ExitCode::usage, "its answer: `failure` has to say why `ok` is false");
  return out;
}

Progress progress_from_json(const json& params) {
  require_schema(params, schema_of_progress(), "its `progress`");
  Progress out;
  out.text = text_of(params, "text");
  out.current = params.value("current", std::int64_t{0});
  out.total = params.value("total", std::int64_t{0});
  out.unit = text_of(params, "unit");
  return out;
}

Error error_from_json(const json& error) {
  if (!error.is_object()) return Error(ExitCode::internal, "its answer: `error` has to be a mapping");
  const auto code = error.find("code");
  const auto number = code != error.end() && code->is_number_integer() ? code->get<std::int64_t>() : 0;
  const json data = error.contains("data") && error["data"].is_object() ? error["data"] : json::object();
  const auto exit = data.find("exit");
  Error out(exit != data.end() && is_exit_code(*exit) ? static_cast<ExitCode>(exit->get<int>())
            : number == invalid_params                ? ExitCode::usage
            : number == cannot_go_on                  ? ExitCode::failed
                                                      : ExitCode::internal,
            text_of(error, "message").empty() ? fmt::format("error {} without a message", number)
                                              : text_of(error, "message"));
  out.hint(text_of(data, "hint")).detail(text_of(data, "detail")).at(location_from(data));
  if (const auto again = data.find("retryable"); again != data.end() && again->is_boolean())
    out.retryable(again->get<bool>());
  for (const auto& line : texts_of(data, "trail")) out.trail(line);
  return out;
}

}  // namespace slipway::wire
