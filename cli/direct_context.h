// A step outside a run: what an action says goes to stderr at once.
#pragma once
#include "cli/command.h"
#include "plugin/plugin.h"

namespace slipway::cli {

// `--progress quiet` keeps progress and logs back; they are shown with a failure then.
class DirectContext final : public Context {
 public:
  explicit DirectContext(const Session& session);
  void log(std::string_view text, bool error_stream) override;
  void progress(const Progress& progress) override;
  void event(std::string_view kind, json data) override;
  std::stop_token stop() const override;
  // The data of the last event of a kind; null when there was none.
  json last(const std::string& kind) const;

 private:
  const Session& session_;
  bool quiet_;
  std::string shown_;  // the last progress line, so that bytes counted do not repeat it
  std::map<std::string, json> events_;
};

// Prints why an action failed, as the end of a run does, and sets the exit code.
void report_failure(Session& session, const Outcome& outcome);

}  // namespace slipway::cli
