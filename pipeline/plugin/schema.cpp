#include "plugin/schema.h"

#include <regex>

#include "base/suggest.h"

namespace slipway {

namespace {

constexpr std::size_t kMostMistakes = 20;
constexpr std::size_t kLongestMatched = 4096;  // std::regex recurses per character

std::string type_name(const json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number_integer()) return "an integer";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "a list" : "a mapping";
}

std::string wanted_name(const std::string& type) {
  if (type == "object") return "a mapping";
  if (type == "array") return "a list";
  if (type == "integer") return "an integer";
  return type == "null" ? "null" : "a " + type;
}

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  if (type != "integer") return false;
  // 1.0 is an integer (draft-06 and later).
  return value.is_number_integer() ||
         (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
}

std::string shown(const json& value) {
  auto text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= 40) return text;
  std::size_t cut = 37;
  while (cut > 0 && (text[cut] & 0xC0) == 0x80) --cut;
  return text.substr(0, cut) + "…";
}

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string joined(const std::vector<std::string>& parts, const char* last) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i)
    out += (i == 0 ? "" : i + 1 == parts.size() ? last : ", ") + parts[i];
  return out;
}

class Checker {
 public:
  explicit Checker(const SchemaOptions& options) : options_(options) {}
  std::vector<SchemaMistake> mistakes;

  void check(const json& value, const json& schema, const std::string& path) {
    if (mistakes.size() >= kMostMistakes || (options_.unknown && options_.unknown(value))) return;
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) add(path, "is not allowed");
      return;
    }
    if (!schema.is_object() || !type_fits(value, schema, path)) return;
    listed(value, schema, path);
    if (value.is_object()) object(value, schema, path);
    if (value.is_array()) array(value, schema, path);
    if (value.is_string()) string(value.get_ref<const std::string&>(), schema, path);
    if (value.is_number()) number(value, schema, path);
    combined(value, schema, path);
  }

 private:
  void add(const std::string& path, std::string what, std::string hint = {}) {
    mistakes.push_back(
        {(path.empty() ? "the whole value" : "`" + path + "`") + " " + std::move(what), std::move(hint)});
  }

  bool type_fits(const json& value, const json& schema, const std::string& path) {
    const auto type = schema.find("type");
    if (type == schema.end()) return true;
    std::vector<std::string> names, wanted;
    if (type->is_string()) names.push_back(type->get<std::string>());
    if (type->is_array())
      for (const auto& one : *type)
        if (one.is_string()) names.push_back(one.get<std::string>());
    for (const auto& name : names) {
      if (has_type(value, name)) return true;
      wanted.push_back(wanted_name(name));
    }
    add(path, fmt::format("has to be {}, not {}{}", joined(wanted, " or "), type_name(value),
                          value.is_null() ? "" : " (" + shown(value) + ")"));
    return false;
  }

  void listed(const json& value, const json& schema, const std::string& path) {
    if (const auto only = schema.find("const"); only != schema.end() && *only != value)
      add(path, fmt::format("has to be {}, not {}", shown(*only), shown(value)));
    const auto list = schema.find("enum");
    if (list == schema.end() || !list->is_array()) return;
    if (std::find(list->begin(), list->end(), value) != list->end()) return;
    std::vector<std::string> words, texts;
    for (const auto& one : *list) {
      texts.push_back(shown(one));
      if (one.is_string()) words.push_back(one.get<std::string>());
    }
    const auto near = value.is_string() ? suggest(value.get<std::string>(), words) : std::nullopt;
    add(path, fmt::format("has to be one of {}, not {}", joined(texts, " and "), shown(value)),
        near ? fmt::format("did you mean `{}`?", *near) : "");
  }

  static std::string member(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  void object(const json& value, const json& schema, const std::string& path) {
    static const json none = json::object();
    const auto found = schema.find("properties");
    const json& properties = found != schema.end() && found->is_object() ? *found : none;
    const auto rest = schema.find("additionalProperties");
    const auto names = schema.find("propertyNames");
    std::vector<std::string> known;
    for (const auto& [name, inner] : properties.items())
      if (!value.contains(name)) known.push_back(name);
    for (const auto& [name, inner] : value.items()) {
      if (names != schema.end()) check(json(name), *names, member(path, name));
      if (const auto own = properties.find(name); own != properties.end())
        check(inner, *own, member(path, name));
      else if (rest != schema.end() && rest->is_boolean() && !rest->get<bool>())
        mistakes.push_back(
            {fmt::format("unknown key `{}`", member(path, name)), suggestion_hint(name, known)});
      else if (rest != schema.end())
        check(inner, *rest, member(path, name));
    }
    if (const auto required = schema.find("required"); required != schema.end() && required->is_array())
      for (const auto& name : *required)
        if (name.is_string() && !value.contains(name.get<std::string>()))
          mistakes.push_back({fmt::format("`{}` is missing", member(path, name.get<std::string>())), ""});
    count(value.size(), schema, "minProperties", "maxProperties", "members", path);
  }

  void array(const json& value, const json& schema, const std::string& path) {
    if (const auto items = schema.find("items"); items != schema.end())
      for (std::size_t i = 0; i < value.size(); ++i) check(value[i], *items, fmt::format("{}[{}]", path, i));
    count(value.size(), schema, "minItems", "maxItems", "items", path);
    const auto unique = schema.find("uniqueItems");
    if (unique == schema.end() || !unique->is_boolean() || !unique->get<bool>()) return;
    std::set<json> seen;
    for (std::size_t i = 0; i < value.size(); ++i)
      if (!seen.insert(value[i]).second)
        add(fmt::format("{}[{}]", path, i), fmt::format("is there twice ({})", shown(value[i])));
  }

  void string(const std::string& value, const json& schema, const std::string& path) {
    count(code_points(value), schema, "minLength", "maxLength", "characters", path);
    const auto pattern = schema.find("pattern");
    if (pattern == schema.end() || !pattern->is_string()) return;
    if (value.size() > kLongestMatched)
      return add(path, fmt::format("is too long to be matched ({} bytes)", value.size()));
    const auto text = pattern->get<std::string>();
    try {
      if (!std::regex_search(value, std::regex(text, std::regex::ECMAScript)))
        add(path, fmt::format("has to match `{}`, and {} does not", text, shown(value)));
    } catch (const std::regex_error&) {
      add(path, fmt::format("cannot be checked: the schema's pattern `{}` is none", text));
    }
  }

  void number(const json& value, const json& schema, const std::string& path) {
    const auto limit = [&](const char* word, auto&& wrong, const char* text) {
      const auto it = schema.find(word);
      if (it != schema.end() && it->is_number() && wrong(value, *it))
        add(path, fmt::format("has to be {} {}, not {}", text, it->dump(), value.dump()));
    };
    limit("minimum", std::less<json>(), "at least");
    limit("maximum", std::greater<json>(), "at most");
    limit("exclusiveMinimum", std::less_equal<json>(), "more than");
    limit("exclusiveMaximum", std::greater_equal<json>(), "less than");
  }

  void count(std::size_t size, const json& schema, const char* least, const char* most, const char* unit,
             const std::string& path) {
    const auto min = schema.find(least), max = schema.find(most);
    if (min != schema.end() && min->is_number_unsigned() && size < min->get<std::size_t>())
      add(path, fmt::format("has to have at least {} {}, and has {}", min->dump(), unit, size));
    if (max != schema.end() && max->is_number_unsigned() && size > max->get<std::size_t>())
      add(path, fmt::format("has to have at most {} {}, and has {}", max->dump(), unit, size));
  }

  std::vector<SchemaMistake> alone(const json& value, const json& schema, const std::string& path) {
    Checker inner(options_);
    inner.check(value, schema, path);
    return std::move(inner.mistakes);
  }

  void combined(const json& value, const json& schema, const std::string& path) {
    if (const auto all = schema.find("allOf"); all != schema.end() && all->is_array())
      for (const auto& one : *all) check(value, one, path);
    if (const auto no = schema.find("not"); no != schema.end() && alone(value, *no, path).empty())
      add(path, "has a form that is not allowed");
    for (const auto* word : {"anyOf", "oneOf"}) {
      const auto choices = schema.find(word);
      if (choices == schema.end() || !choices->is_array() || choices->empty()) continue;
      std::size_t fits = 0;
      std::vector<SchemaMistake> nearest;  // of the choice with the fewest: most likely the one meant
      for (const auto& one : *choices) {
        auto wrong = alone(value, one, path);
        if (wrong.empty()) ++fits;
        if (nearest.empty() || wrong.size() < nearest.size()) nearest = std::move(wrong);
      }
      if (fits == 0) mistakes.insert(mistakes.end(), nearest.begin(), nearest.end());
      if (fits > 1 && word == std::string_view("oneOf"))
        add(path, fmt::format("fits {} of the forms it may have, and has to fit one", fits));
    }
  }

  const SchemaOptions& options_;
};

}  // namespace

std::vector<SchemaMistake> check_schema(const json& value, const json& schema, const SchemaOptions& options) {
  Checker checker(options);
  checker.check(value, schema, options.root);
  if (checker.mistakes.size() > kMostMistakes) checker.mistakes.resize(kMostMistakes);
  return std::move(checker.mistakes);
}

void require_schema(const json& value, const json& schema, const std::string& what,
                    const SchemaOptions& options) {
  const auto mistakes = check_schema(value, schema, options);
  if (mistakes.empty()) return;
  if (mistakes.size() == 1)
    throw Error(ExitCode::usage, what + ": " + mistakes[0].message).hint(mistakes[0].hint);
  std::string detail;
  for (const auto& mistake : mistakes)
    detail += mistake.message + (mistake.hint.empty() ? "" : " (" + mistake.hint + ")") + "\n";
  throw Error(ExitCode::usage, fmt::format("{}: {} mistakes", what, mistakes.size())).detail(detail);
}

}  // namespace slipway
