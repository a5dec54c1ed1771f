// JSON Schema, as much of draft-07 as plugins need: is this value what the schema asks for, and is this a
// schema that slipway understands?
//
// Understood: type, enum, const, properties, required, additionalProperties, propertyNames, minProperties,
// maxProperties, items (one schema), minItems, maxItems, uniqueItems, minimum, maximum, exclusiveMinimum,
// exclusiveMaximum, minLength, maxLength, pattern, anyOf, oneOf, allOf, not. Said and not checked: title,
// description, default, examples, format, $schema, $id, $comment and names that begin with "x-".
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace slipway {

using json = nlohmann::json;

struct SchemaMistake {
  std::string message;  // "`ports[2]` has to be an integer, not a string (\"80\")"
  std::string hint;     // "did you mean `tags`?"; may be empty
};

struct SchemaOptions {
  std::string root;  // what paths begin with: "" gives `tags[0]`, "with" gives `with.tags[0]`
  // A part of the value for which this answers true is not known yet, and passes.
  std::function<bool(const json&)> unknown;
};

// Every mistake, in the order of the value, at most 20. Lengths count Unicode code points.
std::vector<SchemaMistake> check_schema(const json& value, const json& schema,
                                        const SchemaOptions& options = {});

// Throws Error(usage) with all the mistakes when there is one; the first line is `what`: "wrong params".
void require_schema(const json& value, const json& schema, const std::string& what,
                    const SchemaOptions& options = {});

// Mistakes of the schema itself: an unknown word, a word with a value of the wrong kind, nested too deeply.
std::vector<SchemaMistake> check_is_schema(const json& schema);

}  // namespace slipway
