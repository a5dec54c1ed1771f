// The spec language, told by its tables: JSON Schema for editors, a reference for people.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace slipway {

nlohmann::json spec_json_schema();  // draft-07
std::string spec_reference();       // Markdown

}  // namespace slipway
