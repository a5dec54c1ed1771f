#include "cli/direct_context.h"

#include <cstdio>

namespace slipway::cli {

DirectContext::DirectContext(const Session& session)
    : session_(session), quiet_(session.progress == "quiet") {}

void DirectContext::log(std::string_view text, bool) {
  if (!quiet_) std::fwrite(text.data(), 1, text.size(), stderr);
}

void DirectContext::progress(const Progress& progress) {
  if (quiet_ || progress.text == shown_) return;
  shown_ = progress.text;
  fmt::print(stderr, "{}\n", progress.text);
}

void DirectContext::event(std::string_view kind, json data) {
  events_[std::string(kind)] = std::move(data);
}

std::stop_token DirectContext::stop() const {
  return session_.stop;
}

json DirectContext::last(const std::string& kind) const {
  const auto it = events_.find(kind);
  return it == events_.end() ? json() : it->second;
}

void report_failure(Session& session, const Outcome& outcome) {
  const auto where = outcome.where.known() ? outcome.where.str() + ": " : "";
  fmt::print(stderr, "slipway: {}{}\n", where, outcome.failure);
  std::string_view rest = outcome.detail;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    fmt::print(stderr, "  | {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  session.exit_code = outcome.exit_code;
}

}  // namespace slipway::cli
