#include "spec/schema.h"

#include "spec/tables.h"

namespace slipway {

nlohmann::json spec_json_schema() {
  auto out = spec_table().schema();
  out["$schema"] = "http://json-schema.org/draft-07/schema#";
  out["title"] = "slipway.yaml";
  auto& definitions = out["definitions"] = nlohmann::json::object();
  const auto define = [&](const auto& table) { definitions[table.title] = table.schema(); };
  define(source_table());
  define(registry_table());
  define(secret_table());
  define(backing_table());
  define(image_table());
  define(test_table());
  define(service_table());
  define(healthcheck_table());
  define(release_check_table());
  define(environment_table());
  define(target_table());
  define(requirement_table());
  define(approval_table());
  define(step_table());
  define(retain_table());
  return out;
}

namespace {

std::string type_of(const nlohmann::json& schema) {
  if (schema.contains("const")) return "`" + schema["const"].dump() + "`";
  if (schema.contains("enum")) {
    std::string out;
    for (const auto& word : schema["enum"])
      out += (out.empty() ? "`" : ", `") + word.get<std::string>() + "`";
    return out;
  }
  if (schema.contains("$ref")) return schema["$ref"].get<std::string>().substr(14);
  if (schema.contains("anyOf")) {
    std::string out;
    for (const auto& one : schema["anyOf"]) out += (out.empty() ? "" : " or ") + type_of(one);
    return out;
  }
  if (schema.contains("pattern")) return "duration";
  if (!schema.contains("type") || schema["type"].is_array()) return "text";
  const auto type = schema["type"].get<std::string>();
  if (type == "array") return "list of " + type_of(schema["items"]);
  if (type == "object" && schema.contains("additionalProperties") &&
      schema["additionalProperties"].is_object())
    return "mapping of " + type_of(schema["additionalProperties"]);
  if (type == "object" && schema.contains("properties") && schema["properties"].contains("secret"))
    return "`{secret: NAME}`";
  if (type == "object") return "mapping";
  if (type == "integer") return fmt::format("{} to {}", schema["minimum"].dump(), schema["maximum"].dump());
  if (type == "boolean") return "`true` or `false`";
  return type;
}

}  // namespace

std::string spec_reference() {
  std::string out =
      "# slipway.yaml\n\nMade by `slipway schema --markdown`. YAML 1.2; unknown and duplicate keys are "
      "errors; keys "
      "that begin with `x-` are yours; anchors and `<<` work. `${{ … }}` is slipway's, `$NAME` reaches the "
      "shell.\n";
  for (const auto& section : all_sections()) {
    out += fmt::format("\n## {}\n\n{}\n\n| key | value | meaning |\n|---|---|---|\n",
                       section.path.empty() ? "the file" : "`" + section.path + "`", section.summary);
    std::string planned;
    for (const auto& key : section.keys) {
      if (key.planned) {
        planned += fmt::format("{}`{}`", planned.empty() ? "" : ", ", key.name);
        continue;
      }
      std::string summary = key.summary;
      for (std::size_t at = 0; (at = summary.find('|', at)) != std::string::npos; at += 2)
        summary.insert(at, "\\");
      out += fmt::format("| `{}`{} | {} | {} |\n", key.name, key.required ? " (required)" : "",
                         type_of(key.schema), summary);
    }
    if (!planned.empty()) out += fmt::format("\nNot built yet, and refused: {}.\n", planned);
  }
  return out;
}

}  // namespace slipway
