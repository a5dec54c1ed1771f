#include "spec/readers.h"

namespace slipway::read {

namespace {

void wrong(const Node& node, Diagnostics& diagnostics, std::string_view wanted, std::string hint = {}) {
  diagnostics.error(node.where, fmt::format("this must be {}, not {}", wanted, node.describe()),
                    std::move(hint));
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

}  // namespace

bool no_expression(const Node& node, Diagnostics& diagnostics) {
  const auto at = node.text.find("${{");
  if (at == std::string::npos) return true;
  const auto end = node.text.find("}}", at);
  diagnostics.error(node.where,
                    fmt::format("`{}` is known in the run only",
                                node.text.substr(at, end == std::string::npos ? end : end + 2 - at)),
                    "it can stand in `with`, `run`, `env`, `environment`, `args` and `tags`");
  return false;
}

std::optional<std::string> text(const Node& node, Diagnostics& diagnostics, bool in_run) {
  if (!node.is_scalar()) {
    wrong(node, diagnostics, "a text");
    return std::nullopt;
  }
  if (!in_run && !no_expression(node, diagnostics)) return std::nullopt;
  return node.text;
}

std::optional<bool> flag(const Node& node, Diagnostics& diagnostics) {
  if (auto value = node.as_bool()) return value;
  const bool old_word = node.is_scalar() &&
                        (node.text == "yes" || node.text == "no" || node.text == "on" || node.text == "off");
  wrong(node, diagnostics, "`true` or `false`",
        old_word ? "yes, no, on and off are texts since YAML 1.2" : std::string());
  return std::nullopt;
}

std::optional<std::int64_t> number(const Node& node, Diagnostics& diagnostics, std::int64_t least,
                                   std::int64_t most) {
  const auto value = node.as_int();
  if (value && *value >= least && *value <= most) return value;
  wrong(node, diagnostics, fmt::format("a whole number from {} to {}", least, most));
  return std::nullopt;
}

std::optional<Millis> duration(const Node& node, Diagnostics& diagnostics) {
  if (node.is_scalar())
    if (auto span = parse_duration(node.text)) return span;
  wrong(node, diagnostics, "a duration", "write a number with its unit: `500ms`, `30s`, `5m`, `1h30m`");
  return std::nullopt;
}

std::optional<std::string> one_of(const Node& node, Diagnostics& diagnostics,
                                  const std::vector<std::string>& words) {
  if (node.is_scalar() && std::find(words.begin(), words.end(), node.text) != words.end()) return node.text;
  std::string list;
  for (const auto& word : words) list += fmt::format("{}`{}`", list.empty() ? "" : ", ", word);
  wrong(node, diagnostics, words.size() == 1 ? list : "one of " + list,
        node.is_scalar() && suggest(node.text, words) ? suggestion_hint(node.text, words) : std::string());
  return std::nullopt;
}

std::vector<Text> texts(const Node& node, Diagnostics& diagnostics, bool or_one, bool in_run) {
  std::vector<Text> out;
  if (or_one && node.is_scalar()) {
    if (auto value = text(node, diagnostics, in_run)) out.push_back({*value, node.where});
    return out;
  }
  if (!node.is_sequence()) {
    wrong(node, diagnostics, or_one ? "a text or a list of texts" : "a list of texts");
    return out;
  }
  for (const auto& item : node.items)
    if (auto value = text(*item, diagnostics, in_run)) out.push_back({*value, item->where});
  return out;
}

std::vector<std::string> strings(const Node& node, Diagnostics& diagnostics, bool or_one) {
  std::vector<std::string> out;
  for (auto& one : texts(node, diagnostics, or_one)) out.push_back(std::move(one.text));
  return out;
}

std::map<std::string, std::string> string_map(const Node& node, Diagnostics& diagnostics) {
  std::map<std::string, std::string> out;
  if (!node.is_mapping()) {
    wrong(node, diagnostics, "a mapping of texts");
    return out;
  }
  for (const auto& member : node.members)
    if (auto value = text(*member.value, diagnostics)) out[member.key] = *value;
  return out;
}

std::optional<Text> secret(const Node& node, Diagnostics& diagnostics) {
  if (node.is_mapping() && node.members.size() == 1 && node.members[0].key == "secret") {
    const auto& name = *node.members[0].value;
    if (auto value = text(name, diagnostics)) return Text{*value, name.where};
    return std::nullopt;
  }
  wrong(node, diagnostics, "a secret",
        "write `{secret: NAME}`, and say under `secrets` where its value comes from");
  return std::nullopt;
}

Values values(const Node& node, Diagnostics& diagnostics, bool paths) {
  Values out;
  if (!node.is_mapping()) {
    wrong(node, diagnostics, "a mapping",
          node.is_sequence() ? "write `NAME: value` instead of `- NAME=value`" : "");
    return out;
  }
  for (const auto& member : node.members) {
    if (!paths && !is_variable_name(member.key))
      diagnostics.error(member.where, fmt::format("`{}` is no name of an environment variable", member.key));
    if (paths && !member.key.starts_with('/'))
      diagnostics.error(member.where, fmt::format("`{}` must be an absolute path", member.key));
    Value value;
    value.where = member.value->where;
    if (member.value->is_mapping()) {
      if (auto named = secret(*member.value, diagnostics)) {
        value.secret = named->text;
        value.where = named->where;
      }
    } else if (paths) {
      wrong(*member.value, diagnostics, "a secret", "write `{secret: NAME}`");
    } else if (!member.value->is_null()) {
      if (auto plain = text(*member.value, diagnostics, true)) value.text = *plain;
    }
    out[member.key] = std::move(value);
  }
  return out;
}

nlohmann::json any_mapping(const Node& node, Diagnostics& diagnostics) {
  if (node.is_mapping()) return to_json(node);
  wrong(node, diagnostics, "a mapping");
  return nlohmann::json::object();
}

bool name(const Member& member, std::string_view what, Diagnostics& diagnostics) {
  const std::string& text = member.key;
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (!text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), good) &&
      text.front() != '-' && text.back() != '-')
    return true;
  diagnostics.error(member.where, fmt::format("`{}` is no name for a {}", text.substr(0, 80), what),
                    "lower-case letters, digits and `-` inside, at most 63 (it becomes a host name)");
  return false;
}

}  // namespace slipway::read

namespace slipway::schema_of {

using json = nlohmann::json;

json text() {
  return {{"type", json::array({"string", "number", "boolean"})}};
}
json flag() {
  return {{"type", "boolean"}};
}
json number(std::int64_t least, std::int64_t most) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", most}};
}
json duration() {
  return {
      {"type", "string"}, {"pattern", "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$"}, {"examples", {"30s", "5m"}}};
}
json one_of(const std::vector<std::string>& words) {
  return {{"enum", words}};
}
json list_of(json item) {
  return {{"type", "array"}, {"items", std::move(item)}};
}
json map_of(json value) {
  return {{"type", "object"}, {"additionalProperties", std::move(value)}};
}
json texts(bool or_one) {
  if (!or_one) return list_of(text());
  return {{"anyOf", json::array({text(), list_of(text())})}};
}
json string_map() {
  return map_of(text());
}
json secret() {
  return {{"type", "object"},
          {"properties", {{"secret", {{"type", "string"}}}}},
          {"required", json::array({"secret"})},
          {"additionalProperties", false}};
}
json values() {
  return map_of({{"anyOf", json::array({text(), {{"type", "null"}}, secret()})}});
}
json mapping() {
  return {{"type", "object"}};
}

}  // namespace slipway::schema_of
