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

// Where in the value we are; made text only for a mistake.
class Path {
 public:
  explicit Path(const std::string& root) : name_(root) {}
  Path(const Path& above, std::string_view name) : above_(&above), name_(name) {}
  Path(const Path& above, std::size_t index) : above_(&above), index_(index), is_index_(true) {}

  std::string str() const {
    auto out = above_ ? above_->str() : std::string();
    if (is_index_) return out + fmt::format("[{}]", index_);
    if (!out.empty()) out += '.';
    return out.append(name_);
  }

 private:
  const Path* above_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
  bool is_index_ = false;
};

// The words of one schema, looked up in a single walk: a schema has few, and asking for each by name costs
// more than all the checks.
struct Words {
  const json *type = nullptr, *constant = nullptr, *choices = nullptr, *properties = nullptr, *rest = nullptr,
             *names = nullptr, *required = nullptr, *least_members = nullptr, *most_members = nullptr,
             *items = nullptr, *least_items = nullptr, *most_items = nullptr, *unique = nullptr,
             *minimum = nullptr, *maximum = nullptr, *more_than = nullptr, *less_than = nullptr,
             *least_length = nullptr, *most_length = nullptr, *pattern = nullptr, *all_of = nullptr,
             *any_of = nullptr, *one_of = nullptr, *no = nullptr;

  explicit Words(const json& schema) {
    static constexpr std::pair<std::string_view, const json * Words::*> kWords[] = {
        {"type", &Words::type},
        {"const", &Words::constant},
        {"enum", &Words::choices},
        {"properties", &Words::properties},
        {"additionalProperties", &Words::rest},
        {"propertyNames", &Words::names},
        {"required", &Words::required},
        {"minProperties", &Words::least_members},
        {"maxProperties", &Words::most_members},
        {"items", &Words::items},
        {"minItems", &Words::least_items},
        {"maxItems", &Words::most_items},
        {"uniqueItems", &Words::unique},
        {"minimum", &Words::minimum},
        {"maximum", &Words::maximum},
        {"exclusiveMinimum", &Words::more_than},
        {"exclusiveMaximum", &Words::less_than},
        {"minLength", &Words::least_length},
        {"maxLength", &Words::most_length},
        {"pattern", &Words::pattern},
        {"allOf", &Words::all_of},
        {"anyOf", &Words::any_of},
        {"oneOf", &Words::one_of},
        {"not", &Words::no},
    };
    for (auto it = schema.begin(); it != schema.end(); ++it) {
      const std::string_view name = it.key();
      for (const auto& [word, member] : kWords)
        if (word == name) this->*member = &*it;
    }
  }
};

// Compiling takes a hundred times as long as matching a name, and a list has the same pattern for each item.
const std::regex& compiled(const std::string& pattern) {
  static thread_local std::unordered_map<std::string, std::regex> known;
  if (const auto it = known.find(pattern); it != known.end()) return it->second;
  return known.emplace(pattern, std::regex(pattern, std::regex::ECMAScript)).first->second;
}

class Checker {
 public:
  explicit Checker(const SchemaOptions& options) : options_(options) {}
  std::vector<SchemaMistake> mistakes;

  void check(const json& value, const json& schema, const Path& path) {
    if (mistakes.size() >= kMostMistakes || (options_.unknown && options_.unknown(value))) return;
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) add(path, "is not allowed");
      return;
    }
    if (!schema.is_object()) return;
    const Words words(schema);
    if (!type_fits(value, words, path)) return;
    listed(value, words, path);
    if (value.is_object()) object(value, words, path);
    if (value.is_array()) array(value, words, path);
    if (value.is_string()) string(value.get_ref<const std::string&>(), words, path);
    if (value.is_number()) number(value, words, path);
    combined(value, words, path);
  }

 private:
  void add(const Path& path, std::string what, std::string hint = {}) {
    const auto place = path.str();
    mistakes.push_back(
        {(place.empty() ? "the whole value" : "`" + place + "`") + " " + std::move(what), std::move(hint)});
  }

  bool type_fits(const json& value, const Words& words, const Path& path) {
    if (!words.type) return true;
    std::vector<std::string> wanted;
    const auto fits = [&](const json& one) {
      if (!one.is_string()) return false;
      const auto& name = one.get_ref<const std::string&>();
      if (has_type(value, name)) return true;
      wanted.push_back(wanted_name(name));
      return false;
    };
    const auto& type = *words.type;
    if (type.is_array() ? std::any_of(type.begin(), type.end(), fits) : fits(type)) return true;
    add(path, fmt::format("has to be {}, not {}{}", joined(wanted, " or "), type_name(value),
                          value.is_null() ? "" : " (" + shown(value) + ")"));
    return false;
  }

  void listed(const json& value, const Words& words, const Path& path) {
    if (words.constant && *words.constant != value)
      add(path, fmt::format("has to be {}, not {}", shown(*words.constant), shown(value)));
    if (!words.choices || !words.choices->is_array()) return;
    const auto& list = *words.choices;
    if (std::find(list.begin(), list.end(), value) != list.end()) return;
    std::vector<std::string> names, texts;
    for (const auto& one : list) {
      texts.push_back(shown(one));
      if (one.is_string()) names.push_back(one.get<std::string>());
    }
    const auto near = value.is_string() ? suggest(value.get<std::string>(), names) : std::nullopt;
    add(path, fmt::format("has to be one of {}, not {}", joined(texts, " and "), shown(value)),
        near ? fmt::format("did you mean `{}`?", *near) : "");
  }

  static std::vector<std::string> names_not_in(const json& value, const json& properties) {
    std::vector<std::string> out;
    for (const auto& [name, _] : properties.items())
      if (!value.contains(name)) out.push_back(name);
    return out;
  }

  void object(const json& value, const Words& words, const Path& path) {
    static const json none = json::object();
    const json& properties = words.properties && words.properties->is_object() ? *words.properties : none;
    const bool closed = words.rest && words.rest->is_boolean() && !words.rest->get<bool>();
    for (auto it = value.begin(); it != value.end(); ++it) {
      const auto& name = it.key();
      const Path below(path, name);
      if (words.names) check(json(name), *words.names, below);
      if (const auto own = properties.find(name); own != properties.end())
        check(*it, *own, below);
      else if (closed)
        mistakes.push_back({fmt::format("unknown key `{}`", below.str()),
                            suggestion_hint(name, names_not_in(value, properties))});
      else if (words.rest)
        check(*it, *words.rest, below);
    }
    if (words.required && words.required->is_array())
      for (const auto& one : *words.required) {
        if (!one.is_string()) continue;
        const auto& name = one.get_ref<const std::string&>();
        if (!value.contains(name))
          mistakes.push_back({fmt::format("`{}` is missing", Path(path, name).str()), ""});
      }
    count(value.size(), words.least_members, words.most_members, "members", path);
  }

  void array(const json& value, const Words& words, const Path& path) {
    if (words.items)
      for (std::size_t i = 0; i < value.size(); ++i) check(value[i], *words.items, Path(path, i));
    count(value.size(), words.least_items, words.most_items, "items", path);
    if (!words.unique || !words.unique->is_boolean() || !words.unique->get<bool>()) return;
    std::set<json> seen;
    for (std::size_t i = 0; i < value.size(); ++i)
      if (!seen.insert(value[i]).second)
        add(Path(path, i), fmt::format("is there twice ({})", shown(value[i])));
  }

  void string(const std::string& value, const Words& words, const Path& path) {
    if (words.least_length || words.most_length)
      count(code_points(value), words.least_length, words.most_length, "characters", path);
    if (!words.pattern || !words.pattern->is_string()) return;
    if (value.size() > kLongestMatched)
      return add(path, fmt::format("is too long to be matched ({} bytes)", value.size()));
    const auto text = words.pattern->get<std::string>();
    try {
      if (!std::regex_search(value, compiled(text)))
        add(path, fmt::format("has to match `{}`, and {} does not", text, shown(value)));
    } catch (const std::regex_error&) {
      add(path, fmt::format("cannot be checked: the schema's pattern `{}` is none", text));
    }
  }

  void number(const json& value, const Words& words, const Path& path) {
    const auto limit = [&](const json* bound, auto&& wrong, const char* text) {
      if (bound && bound->is_number() && wrong(value, *bound))
        add(path, fmt::format("has to be {} {}, not {}", text, bound->dump(), value.dump()));
    };
    limit(words.minimum, std::less<json>(), "at least");
    limit(words.maximum, std::greater<json>(), "at most");
    limit(words.more_than, std::less_equal<json>(), "more than");
    limit(words.less_than, std::greater_equal<json>(), "less than");
  }

  void count(std::size_t size, const json* min, const json* max, const char* unit, const Path& path) {
    if (min && min->is_number_unsigned() && size < min->get<std::size_t>())
      add(path, fmt::format("has to have at least {} {}, and has {}", min->dump(), unit, size));
    if (max && max->is_number_unsigned() && size > max->get<std::size_t>())
      add(path, fmt::format("has to have at most {} {}, and has {}", max->dump(), unit, size));
  }

  std::vector<SchemaMistake> alone(const json& value, const json& schema, const Path& path) {
    Checker inner(options_);
    inner.check(value, schema, path);
    return std::move(inner.mistakes);
  }

  void combined(const json& value, const Words& words, const Path& path) {
    if (words.all_of && words.all_of->is_array())
      for (const auto& one : *words.all_of) check(value, one, path);
    if (words.no && alone(value, *words.no, path).empty()) add(path, "has a form that is not allowed");
    for (const auto* choices : {words.any_of, words.one_of}) {
      if (!choices || !choices->is_array() || choices->empty()) continue;
      std::size_t fits = 0;
      std::vector<SchemaMistake> nearest;  // of the choice with the fewest: most likely the one meant
      for (const auto& one : *choices) {
        auto wrong = alone(value, one, path);
        if (wrong.empty()) ++fits;
        if (nearest.empty() || wrong.size() < nearest.size()) nearest = std::move(wrong);
      }
      if (fits == 0) mistakes.insert(mistakes.end(), nearest.begin(), nearest.end());
      if (fits > 1 && choices == words.one_of)
        add(path, fmt::format("fits {} of the forms it may have, and has to fit one", fits));
    }
  }

  const SchemaOptions& options_;
};

}  // namespace

std::vector<SchemaMistake> check_schema(const json& value, const json& schema, const SchemaOptions& options) {
  Checker checker(options);
  checker.check(value, schema, Path(options.root));
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
