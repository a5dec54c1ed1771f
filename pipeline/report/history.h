// The kept runs in short: read from the first and the last line of each journal.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/fold.h"
#include "run/journal.h"

namespace slipway {

struct RunSummary {
  enum class State { running, ended, crashed };
  std::string id, spec, environment;
  std::vector<std::string> argv;
  std::int64_t started = 0;  // microseconds since the epoch; 0 when it was killed before its first event
  State state = State::crashed;
  Result result = Result::error;  // when ended, as are these
  int exit = 70;
  Millis took{0};
};

RunSummary summarize_run(const RunFolder& run);

// The newest `count` runs, newest first.
std::vector<RunSummary> recent_runs(const std::filesystem::path& state_dir, std::size_t count);

// The newest run that is not going on now and whose plan belongs to `project_dir` (any when empty).
std::optional<RunFolder> last_run(const std::filesystem::path& state_dir,
                                  const std::filesystem::path& project_dir);

// The whole story of one run.
Report report_of(const RunFolder& run);

json to_json(const RunSummary& summary);

}  // namespace slipway
