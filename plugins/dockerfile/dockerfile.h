// A Dockerfile as data: instructions in order, each with its place in the text. No variable is expanded yet.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/location.h"

namespace slipway::dockerfile {

struct Heredoc {
  std::string name;     // the delimiter, without quotes
  std::string content;  // whole lines; with <<- without leading tabs
  bool expand = true;   // false when the delimiter was quoted
};

struct Flag {
  std::string name, value;  // "--from=build" is {"from", "build"}
  bool has_value = false;
};

struct Instruction {
  std::string keyword;               // upper case
  std::vector<Flag> flags;           // leading "--name[=value]" words
  std::string text;                  // what follows keyword and flags, continuation lines joined
  std::vector<std::string> words;    // of the JSON form; else `text` split at blanks
  bool json = false;                 // JSON ("exec") form
  std::vector<Heredoc> heredocs;     // in order of appearance in `text`
  std::vector<Instruction> trigger;  // HEALTHCHECK: its CMD
  Location where;                    // of the keyword
  std::string original;              // the whole instruction on one line, for messages and history

  const Flag* flag(std::string_view name) const;
  std::string flag_value(std::string_view name) const;  // "" when it is not there
};

struct Dockerfile {
  char escape = '\\';
  std::vector<Instruction> instructions;
};

// Parses as BuildKit's front end does (parser directives, continuations, heredocs, JSON form). Every mistake
// goes to `diagnostics`, which is given the text as source `file`; what is not supported yet is a mistake
// that says so.
Dockerfile parse_dockerfile(const std::string& text, const std::string& file, Diagnostics& diagnostics);

// One logical line: physical lines joined at the escape character, without comments.
struct LogicalLine {
  std::string text;
  int line = 0;  // the first one's number
  std::vector<Heredoc> heredocs;
};
struct Lines {
  char escape = '\\';
  std::vector<LogicalLine> lines;
};
Lines split_lines(const std::string& text, const std::string& file, Diagnostics& diagnostics);

// The words of `text` at blanks; quotes and escapes keep blanks inside a word and stay in it.
std::vector<std::string> split_quoted(std::string_view text, char escape);
// A JSON array of strings; nullopt when it is no JSON array. `bad_item` when an item is no string.
std::optional<std::vector<std::string>> parse_json_words(std::string_view text, bool& bad_item);

}  // namespace slipway::dockerfile
