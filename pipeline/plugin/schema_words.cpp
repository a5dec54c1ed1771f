// The words of a schema and what each may hold.
#include <regex>

#include "base/suggest.h"
#include "plugin/schema.h"

namespace slipway {

namespace {

constexpr int kDeepest = 50;

enum class Holds {
  schema,
  schemas,
  named_schemas,
  type,
  list,
  names,
  count,
  number,
  flag,
  pattern,
  text,
  any
};

const std::map<std::string, Holds>& words() {
  static const std::map<std::string, Holds> all = {
      {"type", Holds::type},
      {"enum", Holds::list},
      {"const", Holds::any},
      {"properties", Holds::named_schemas},
      {"required", Holds::names},
      {"additionalProperties", Holds::schema},
      {"propertyNames", Holds::schema},
      {"minProperties", Holds::count},
      {"maxProperties", Holds::count},
      {"items", Holds::schema},
      {"minItems", Holds::count},
      {"maxItems", Holds::count},
      {"uniqueItems", Holds::flag},
      {"minimum", Holds::number},
      {"maximum", Holds::number},
      {"exclusiveMinimum", Holds::number},
      {"exclusiveMaximum", Holds::number},
      {"minLength", Holds::count},
      {"maxLength", Holds::count},
      {"pattern", Holds::pattern},
      {"anyOf", Holds::schemas},
      {"oneOf", Holds::schemas},
      {"allOf", Holds::schemas},
      {"not", Holds::schema},
      {"title", Holds::text},
      {"description", Holds::text},
      {"default", Holds::any},
      {"examples", Holds::list},
      {"format", Holds::text},
      {"$schema", Holds::text},
      {"$id", Holds::text},
      {"$comment", Holds::text},
  };
  return all;
}

bool is_type(const json& value) {
  static const std::set<std::string> names = {"object", "array",   "string", "boolean",
                                              "null",   "integer", "number"};
  return value.is_string() && names.contains(value.get<std::string>());
}

bool is_pattern(const json& value) {
  if (!value.is_string()) return false;
  try {
    const std::regex compiled(value.get<std::string>(), std::regex::ECMAScript);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

bool all_of(const json& list, bool (*good)(const json&)) {
  return list.is_array() && std::all_of(list.begin(), list.end(), good);
}

class Reader {
 public:
  std::vector<SchemaMistake> mistakes;

  void read(const json& schema, const std::string& path, int depth) {
    if (schema.is_boolean()) return;
    if (!schema.is_object()) return add(path, "a schema is a mapping, true or false");
    if (depth > kDeepest) return add(path, "schemas are nested too deeply");
    for (const auto& [word, value] : schema.items()) {
      if (word.starts_with("x-")) continue;
      const auto inner = path.empty() ? word : path + "." + word;
      const auto known = words().find(word);
      if (known == words().end()) {
        std::vector<std::string> names;
        for (const auto& [name, holds] : words()) names.push_back(name);
        const auto near = suggest(word, names);
        mistakes.push_back({fmt::format("`{}`: slipway does not know this word of JSON Schema", inner),
                            near ? fmt::format("did you mean `{}`?", *near) : ""});
        continue;
      }
      value_of(known->second, value, inner, depth);
    }
  }

 private:
  void add(const std::string& path, std::string what) {
    mistakes.push_back({(path.empty() ? "" : "`" + path + "`: ") + std::move(what), ""});
  }

  void value_of(Holds holds, const json& value, const std::string& path, int depth) {
    const auto need = [&](bool good, const char* what) {
      if (!good) add(path, std::string("has to hold ") + what);
      return good;
    };
    switch (holds) {
      case Holds::schema:
        return read(value, path, depth + 1);
      case Holds::schemas:
        if (!need(value.is_array() && !value.empty(), "a list of schemas")) return;
        for (std::size_t i = 0; i < value.size(); ++i)
          read(value[i], fmt::format("{}[{}]", path, i), depth + 1);
        return;
      case Holds::named_schemas:
        if (!need(value.is_object(), "a mapping of schemas")) return;
        for (const auto& [name, inner] : value.items()) read(inner, path + "." + name, depth + 1);
        return;
      case Holds::type:
        need(is_type(value) || (all_of(value, is_type) && !value.empty()),
             "object, array, string, boolean, null, integer or number, or a list of these");
        return;
      case Holds::list:
        need(value.is_array(), "a list");
        return;
      case Holds::names:
        need(all_of(value, [](const json& one) { return one.is_string(); }), "a list of names");
        return;
      case Holds::count:
        need(value.is_number_unsigned(), "a whole number from 0 on");
        return;
      case Holds::number:
        need(value.is_number(), "a number");
        return;
      case Holds::flag:
        need(value.is_boolean(), "true or false");
        return;
      case Holds::pattern:
        need(is_pattern(value), "a regular expression (ECMAScript)");
        return;
      case Holds::text:
        need(value.is_string(), "a string");
        return;
      case Holds::any:
        return;
    }
  }
};

}  // namespace

std::vector<SchemaMistake> check_is_schema(const json& schema) {
  Reader reader;
  reader.read(schema, "", 0);
  return std::move(reader.mistakes);
}

}  // namespace slipway
