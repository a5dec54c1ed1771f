// The one exception: "cannot go on". What failed as an answer (a red test) is a value, not an Error.
#pragma once
#include <stdexcept>
#include <string>
#include <vector>

#include "base/location.h"

namespace slipway {

// The exit codes of the command line; an Error carries the one it ends the program with.
enum class ExitCode : int {
  ok = 0,
  failed = 1,       // a build, test or user step failed
  usage = 2,        // usage or spec invalid
  auth = 3,         // authentication refused
  rolled_back = 4,  // rollout failed, the old version serves
  degraded = 5,     // rollout failed and so did the way back
  unavailable = 6,  // a tool, registry or cluster is missing or unreachable
  denied = 7,       // approval denied, lock held, policy
  timeout = 8,
  changes_pending = 10,  // plan --exit-code
  internal = 70,
  interrupted = 130,
  terminated = 143,
};

// Built where the fault is seen and enriched as it rises: `throw Error(...).hint(...)`, `e.trail("while
// ...")`.
class Error : public std::exception {
 public:
  Error(ExitCode code, std::string message);

  Error& hint(std::string text);  // what to do next, one sentence without full stop
  Error& at(Location where);
  Error& trail(std::string while_what);  // "while pushing `api:1.4`"; innermost first
  Error& retryable(bool yes = true);     // the same call may succeed later (network, 5xx)
  Error& detail(std::string text);       // last output lines and the like, shown indented

  ExitCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  const std::string& detail() const { return detail_; }
  const Location& where() const { return where_; }
  const std::vector<std::string>& trail() const { return trail_; }
  bool is_retryable() const { return retryable_; }

  const char* what() const noexcept override { return message_.c_str(); }
  // The whole text for a person: location, message, trail, detail, hint; no colour, ends without newline.
  std::string str() const;

 private:
  ExitCode code_;
  std::string message_, hint_, detail_;
  Location where_;
  std::vector<std::string> trail_;
  bool retryable_ = false;
};

// Throws Error(unavailable or internal) with strerror(errno_value): "cannot WHAT: No such file or directory".
[[noreturn]] void throw_errno(const std::string& what, int errno_value);

}  // namespace slipway
