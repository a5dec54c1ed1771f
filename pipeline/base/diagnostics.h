// Mistakes in texts the user wrote, collected so that all are shown at once.
#pragma once
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/location.h"

namespace slipway {

struct Diagnostic {
  enum class Severity { error, warning };
  Severity severity = Severity::error;
  std::string message;  // backticks around names, no full stop
  std::string hint;     // may be empty
  Location where;
};

class Diagnostics {
 public:
  // Keeps the text so that `render` can show the line at fault.
  void source(std::string file, std::string text);

  // Told once when the same text is read twice (through an anchor or `extends`).
  void error(Location where, std::string message, std::string hint = {});
  void warning(Location where, std::string message, std::string hint = {});

  bool has_errors() const { return errors_ > 0; }
  const std::vector<Diagnostic>& all() const { return items_; }

  // One block per mistake, ordered by file, line and column:
  //     slipway.yaml:12:5: unknown key `stpes`
  //        12 |     stpes:
  //           |     ^~~~~
  //       hint: did you mean `steps`?
  std::string render() const;
  // When there are errors, throws Error(usage) at the place of the first, its message the first line and all
  // that render() says behind it: its str() is render().
  void throw_if_errors() const;

 private:
  std::vector<Diagnostic> in_order() const;  // by file, line and column

  std::map<std::string, std::string> sources_;
  std::vector<Diagnostic> items_;
  std::set<std::tuple<std::string, int, int, std::string>> told_;  // places and messages of errors
  int errors_ = 0;
};

// The code frame of one place: numbered line and carets, each line ending in newline; empty when out of
// range.
std::string code_frame(std::string_view text, const Location& where, int context = 0);

}  // namespace slipway
