#include "oci/json_fields.h"

#include "base/error.h"

namespace slipway::oci {
namespace {

[[noreturn]] void fail_document(std::string_view what, const std::string& why) {
  throw Error(ExitCode::unavailable, fmt::format("what was read is no {}: {}", what, why))
      .hint("the registry or the layout that it came from is damaged, or answers for something else");
}

constexpr int kMaxDepth = 64;

}  // namespace

json parse_document(std::string_view text, std::string_view what) {
  // Members seen so far in each open object: a duplicate is refused, two readers may take different ones.
  std::vector<std::set<std::string>> open;
  std::string problem;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth && problem.empty()) problem = fmt::format("it is nested deeper than {}", kMaxDepth);
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key && problem.empty()) {
      auto name = parsed.get<std::string>();
      if (!open.back().insert(name).second)
        problem = fmt::format("member `{}` stands twice", name.substr(0, 100));
    }
    return true;
  };
  json out;
  try {
    out = json::parse(text, watch);
  } catch (const json::parse_error&) {
    fail_document(what, "it is no JSON");
  }
  if (!problem.empty()) fail_document(what, problem);
  if (!out.is_object()) fail_document(what, "it is no JSON object");
  return out;
}

std::string dump(const json& value) {
  try {
    return value.dump();
  } catch (const json::type_error&) {
    throw Error(ExitCode::usage, "a text of the image's configuration is no UTF-8")
        .hint("environment, labels and commands of an image must be UTF-8");
  }
}

Fields::Fields(const json& value, std::string_view what) : value_(value), what_(what) {
  if (!value.is_object()) fail("a member that must be an object is none");
}

void Fields::fail(const std::string& why) const {
  fail_document(what_, why);
}

const json* Fields::find(const char* name) const {
  const auto found = value_.find(name);
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

std::string Fields::string(const char* name) const {
  const json* found = find(name);
  if (!found) fail(fmt::format("`{}` is missing", name));
  if (!found->is_string()) fail(fmt::format("`{}` is no string", name));
  return found->get<std::string>();
}

std::string Fields::optional_string(const char* name) const {
  return find(name) ? string(name) : std::string();
}

std::uint64_t Fields::size(const char* name) const {
  const auto found = optional_size(name);
  if (!found) fail(fmt::format("`{}` is missing", name));
  return *found;
}

std::optional<std::uint64_t> Fields::optional_size(const char* name) const {
  const json* found = find(name);
  if (!found) return std::nullopt;
  const bool fits = found->is_number_unsigned() && found->get<std::uint64_t>() < (1ull << 62);
  if (!fits) fail(fmt::format("`{}` is no number that counts something", name));
  return found->get<std::uint64_t>();
}

const json& Fields::object(const char* name) const {
  const json* found = optional_object(name);
  if (!found) fail(fmt::format("`{}` is missing", name));
  return *found;
}

const json* Fields::optional_object(const char* name) const {
  const json* found = find(name);
  if (found && !found->is_object()) fail(fmt::format("`{}` is no object", name));
  return found;
}

const json& Fields::array(const char* name) const {
  const json* found = find(name);
  if (!found) fail(fmt::format("`{}` is missing", name));
  if (!found->is_array()) fail(fmt::format("`{}` is no list", name));
  return *found;
}

std::vector<std::string> Fields::strings(const char* name) const {
  std::vector<std::string> out;
  if (!has(name)) return out;
  for (const auto& item : array(name)) {
    if (!item.is_string()) fail(fmt::format("`{}` holds something that is no string", name));
    out.push_back(item.get<std::string>());
  }
  return out;
}

}  // namespace slipway::oci
