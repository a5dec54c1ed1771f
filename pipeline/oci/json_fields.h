// Reading the members of a JSON object that came from elsewhere, with errors that name the document.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::oci {

using json = nlohmann::json;

// Parses a document; Error(unavailable) "what was read is no WHAT: …" when it is no JSON object or has
// duplicate members that two readers could understand differently.
json parse_document(std::string_view text, std::string_view what);
// Sorted members, no spaces; Error(usage) when a string is no UTF-8.
std::string dump(const json& value);

// One object. The getters throw Error(unavailable) "what was read is no WHAT: …" when a member is missing or
// of another type; null counts as missing, as Go's JSON writes it.
class Fields {
 public:
  Fields(const json& value, std::string_view what);
  [[noreturn]] void fail(const std::string& why) const;
  bool has(const char* name) const { return find(name) != nullptr; }
  std::string string(const char* name) const;
  std::string optional_string(const char* name) const;
  std::uint64_t size(const char* name) const;
  std::optional<std::uint64_t> optional_size(const char* name) const;
  const json& object(const char* name) const;
  const json* optional_object(const char* name) const;
  const json& array(const char* name) const;
  std::vector<std::string> strings(const char* name) const;  // empty when missing

 private:
  const json* find(const char* name) const;
  const json& value_;
  std::string what_;
};

}  // namespace slipway::oci
