// Values against schemas: every kind of mistake with its whole message.
#include "plugin/schema.h"

#include <catch2/catch.hpp>

using namespace slipway;

namespace {

std::string mistakes(const json& value, const char* schema, SchemaOptions options = {}) {
  std::string out;
  for (const auto& m : check_schema(value, json::parse(schema), options))
    out += m.message + (m.hint.empty() ? "" : " | " + m.hint) + "\n";
  return out;
}

std::string of_schema(const char* schema) {
  std::string out;
  for (const auto& m : check_is_schema(json::parse(schema)))
    out += m.message + (m.hint.empty() ? "" : " | " + m.hint) + "\n";
  return out;
}

}  // namespace

TEST_CASE("a value of the wrong type is told with its path, the type wanted and the one there", "[plugin]") {
  const auto* schema = R"({"type": "object", "properties": {
    "ports": {"type": "array", "items": {"type": "integer"}}, "env": {"type": ["object", "null"]}}})";
  CHECK(mistakes({{"ports", {80, "81"}}}, schema) ==
        "`ports[1]` has to be an integer, not a string (\"81\")\n");
  CHECK(mistakes({{"env", "A=b"}}, schema) == "`env` has to be a mapping or null, not a string (\"A=b\")\n");
  CHECK(mistakes({{"env", nullptr}, {"ports", {1.0}}}, schema).empty());
  CHECK(mistakes(json::array({1}), schema) == "the whole value has to be a mapping, not a list ([1])\n");
}

TEST_CASE("an unknown key is told with the one that was meant, a missing one by name", "[plugin]") {
  const auto* schema = R"({"type": "object", "additionalProperties": false, "required": ["image"],
    "properties": {"image": {"type": "string"}, "tags": {"type": "array"}}})";
  CHECK(mistakes({{"imgae", "x"}}, schema, {.root = "with", .unknown = {}}) ==
        "unknown key `with.imgae` | did you mean `image`?\n`with.image` is missing\n");
}

TEST_CASE("limits, lists of words and patterns are told with the value", "[plugin]") {
  CHECK(mistakes(0, R"({"minimum": 1})") == "the whole value has to be at least 1, not 0\n");
  CHECK(mistakes({{"n", 5}}, R"({"properties": {"n": {"exclusiveMaximum": 5}}})") ==
        "`n` has to be less than 5, not 5\n");
  CHECK(mistakes({{"mode", "fats"}}, R"({"properties": {"mode": {"enum": ["fast", "slow"]}}})") ==
        "`mode` has to be one of \"fast\" and \"slow\", not \"fats\" | did you mean `fast`?\n");
  CHECK(mistakes({{"name", "A b"}}, R"({"properties": {"name": {"pattern": "^[a-z]+$"}}})") ==
        "`name` has to match `^[a-z]+$`, and \"A b\" does not\n");
  CHECK(mistakes({{"name", "äöü"}}, R"({"properties": {"name": {"maxLength": 2}}})") ==
        "`name` has to have at most 2 characters, and has 3\n");
  CHECK(mistakes({{"l", {1, 2, 1}}}, R"({"properties": {"l": {"uniqueItems": true, "minItems": 4}}})") ==
        "`l` has to have at least 4 items, and has 3\n`l[2]` is there twice (1)\n");
}

TEST_CASE("of several forms the nearest is explained", "[plugin]") {
  const auto* schema = R"({"properties": {"run": {"anyOf": [{"type": "string"},
    {"type": "array", "items": {"type": "string"}, "minItems": 1}]}}})";
  CHECK(mistakes({{"run", "make"}}, schema).empty());
  CHECK(mistakes({{"run", 5}}, schema) == "`run` has to be a string, not an integer (5)\n");
  CHECK(mistakes(1, R"({"oneOf": [{"minimum": 0}, {"type": "integer"}]})") ==
        "the whole value fits 2 of the forms it may have, and has to fit one\n");
}

TEST_CASE("what is not known yet passes", "[plugin]") {
  SchemaOptions options;
  options.unknown = [](const json& value) { return value.is_object() && value.contains("$ref"); };
  CHECK(mistakes({{"image", {{"$ref", "build.api"}}}},
                 R"({"properties": {"image": {"type": "string"}}, "additionalProperties": false})", options)
            .empty());
}

TEST_CASE("one mistake is the message, several are listed under it", "[plugin]") {
  const auto schema = json::parse(R"({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}})");
  try {
    require_schema({{"a", 1}}, schema, "wrong params for `hello.greet`");
    FAIL("it passed");
  } catch (const Error& e) {
    CHECK(e.str() == "wrong params for `hello.greet`: `a` has to be a string, not an integer (1)");
  }
  try {
    require_schema({{"a", 1}, {"b", true}}, schema, "wrong params for `hello.greet`");
    FAIL("it passed");
  } catch (const Error& e) {
    CHECK(e.str() ==
          "wrong params for `hello.greet`: 2 mistakes\n  | `a` has to be a string, not an integer (1)\n"
          "  | `b` has to be a string, not a boolean (true)");
  }
}

TEST_CASE("a schema that slipway cannot check is told", "[plugin]") {
  CHECK(of_schema(R"({"type": "object", "x-slipway-key": false, "properties": {"a": true}})").empty());
  CHECK(of_schema(R"({"propertys": {}, "type": "text", "items": [], "pattern": "("})") ==
        "`items`: a schema is a mapping, true or false\n"
        "`pattern`: has to hold a regular expression (ECMAScript)\n"
        "`propertys`: slipway does not know this word of JSON Schema | did you mean `properties`?\n"
        "`type`: has to hold object, array, string, boolean, null, integer or number, or a list of these\n");
}
