// "did you mean": the candidate nearest to a mistyped word.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// Damerau-Levenshtein (adjacent transpositions count 1), ignoring case; nullopt when nothing is near enough
// (more than a third of the word's length away, at least 2 edits allowed from 4 letters on).
std::optional<std::string> suggest(std::string_view word, const std::vector<std::string>& candidates);

// "did you mean `x`?" or, when nothing is near and there are at most 12, "one of `a`, `b`"; may be empty.
std::string suggestion_hint(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace slipway
