// Path patterns: `*` and `?` within one part, `**` over any number of parts, [a-z] classes.
#pragma once
#include <string>
#include <string_view>

namespace slipway {

// Both relative, with '/' between parts. A pattern that names a folder matches what is below it too.
bool glob_match(std::string_view pattern, std::string_view path);

// The leading parts of a pattern that hold no wildcard: where a walk has to begin. "src/**" → "src".
std::string glob_root(std::string_view pattern);

}  // namespace slipway
