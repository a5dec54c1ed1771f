// JSON as text in one line: the bytes of json::dump(-1, ' ', false, replace) in a third of its time, for what
// is written by the thousand: events, keys, plans.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace slipway {

std::string compact_json(const nlohmann::json& value);

// Appended, for documents that are never a tree.
void append_json(std::string& out, const nlohmann::json& value);
// A text in quotes, escaped; bytes that are no UTF-8 become U+FFFD.
void append_json_text(std::string& out, std::string_view text);

}  // namespace slipway
