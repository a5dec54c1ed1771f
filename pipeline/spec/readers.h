// How single values are read: each returns false (or nullopt) after it has told the diagnostics what is
// wrong.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "spec/spec.h"
#include "spec/table.h"

namespace slipway::read {

// A text as written; numbers and booleans are texts too. With `in_run`, `${{ }}` that only the run knows may
// stand in it.
std::optional<std::string> text(const Node& node, Diagnostics& diagnostics, bool in_run = false);
std::optional<bool> flag(const Node& node, Diagnostics& diagnostics);
std::optional<std::int64_t> number(const Node& node, Diagnostics& diagnostics, std::int64_t least,
                                   std::int64_t most);
std::optional<Millis> duration(const Node& node, Diagnostics& diagnostics);
std::optional<std::string> one_of(const Node& node, Diagnostics& diagnostics,
                                  const std::vector<std::string>& words);
// A list of texts; with `or_one`, a single text is a list of one.
std::vector<Text> texts(const Node& node, Diagnostics& diagnostics, bool or_one = false, bool in_run = false);
std::vector<std::string> strings(const Node& node, Diagnostics& diagnostics, bool or_one = false);
std::map<std::string, std::string> string_map(const Node& node, Diagnostics& diagnostics);
// {KEY: text or {secret: NAME}}; the keys are names of environment variables unless `paths`.
Values values(const Node& node, Diagnostics& diagnostics, bool paths = false);
// {secret: NAME}
std::optional<Text> secret(const Node& node, Diagnostics& diagnostics);
nlohmann::json any_mapping(const Node& node, Diagnostics& diagnostics);

// A name of a section's thing: a DNS label (RFC 1123), at most 63 characters.
bool name(const Member& member, std::string_view what, Diagnostics& diagnostics);

// `${{ … }}` that is left after load.cpp put in what is known before the run: a mistake here.
bool no_expression(const Node& node, Diagnostics& diagnostics);

}  // namespace slipway::read

// JSON Schemas of the same values.
namespace slipway::schema_of {

nlohmann::json text();
nlohmann::json flag();
nlohmann::json number(std::int64_t least, std::int64_t most);
nlohmann::json duration();
nlohmann::json one_of(const std::vector<std::string>& words);
nlohmann::json texts(bool or_one = false);
nlohmann::json string_map();
nlohmann::json values();
nlohmann::json secret();
nlohmann::json mapping();  // of anything
nlohmann::json list_of(nlohmann::json item);
nlohmann::json map_of(nlohmann::json value);

}  // namespace slipway::schema_of
