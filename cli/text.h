// Text of programs made safe for a terminal or a log, and measured.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::cli {

// One line as it may be shown: escape sequences, control characters and marks that turn the writing direction
// are gone, a tab is spaces, what is no UTF-8 is U+FFFD. Of a line that was rewritten with carriage returns
// (a progress bar) the last state stays.
std::string harmless(std::string_view line);

// The first line of a text of several, harmless.
std::string first_line(std::string_view text);

// The lines of `text` without their ends; a last one without newline counts.
std::vector<std::string_view> lines_of(std::string_view text);

// Columns that `text` takes on a terminal: East Asian wide characters and emoji take two, combining marks
// none.
std::size_t columns_of(std::string_view text);
// `text` cut to at most `columns`, with "…" (or "~" when not `unicode`) where something is missing. `text` is
// harmless.
std::string fit(std::string_view text, std::size_t columns, bool unicode = true);
// fit(), then filled with spaces.
std::string pad(std::string_view text, std::size_t columns, bool unicode = true);

}  // namespace slipway::cli
