#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace slipway {

Error::Error(ExitCode code, std::string message) : code_(code), message_(std::move(message)) {}

Error& Error::hint(std::string text) {
  hint_ = std::move(text);
  return *this;
}
Error& Error::at(Location where) {
  where_ = std::move(where);
  return *this;
}
Error& Error::trail(std::string while_what) {
  trail_.push_back(std::move(while_what));
  return *this;
}
Error& Error::retryable(bool yes) {
  retryable_ = yes;
  return *this;
}
Error& Error::detail(std::string text) {
  detail_ = std::move(text);
  return *this;
}

std::string Error::str() const {
  std::string out;
  if (where_.known()) out += where_.str() + ": ";
  out += message_;
  for (const auto& t : trail_) out += "\n  " + t;
  if (!detail_.empty()) {
    std::size_t from = 0;
    while (from < detail_.size()) {
      auto to = detail_.find('\n', from);
      if (to == std::string::npos) to = detail_.size();
      out += "\n  | " + detail_.substr(from, to - from);
      from = to + 1;
    }
  }
  if (!hint_.empty()) out += "\n  hint: " + hint_;
  return out;
}

void throw_errno(const std::string& what, int errno_value) {
  Error e(ExitCode::internal,
          fmt::format("cannot {}: {}", what, std::generic_category().message(errno_value)));
  if (errno_value == ENOSPC || errno_value == EDQUOT) {
    e = Error(ExitCode::unavailable, fmt::format("cannot {}: the disk is full", what));
    e.hint("free some space, or run `slipway cache gc`");
  }
  throw e;
}

}  // namespace slipway
