// Report = fold(events): the same for a live run and for one read back from its journal.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "run/event.h"

namespace slipway {

struct StepReport {
  std::string name, phase;
  bool started = false, finished = false, cached = false;
  bool ignored = false;  // failed, with continue_on_error
  int attempts = 1;
  Result result = Result::skip;
  Millis took{0};
  int exit = 0;
  std::string message, detail, hint, key;
  Location where;
  json cache_reason, outputs = json::object();
  std::vector<std::string> last_lines;  // of its log, at most 50
  std::uint64_t log_lines = 0;
  std::vector<json> tests, artifacts;  // test.case and artifact facts
  bool waits = false;                  // for people or other runs: it does no work
  std::optional<ApprovalDecided> decision;
};

struct Report {
  std::string run, spec, environment;
  std::int64_t started = 0;
  bool finished = false;  // false: the run crashed or is still going
  Result result = Result::error;
  int exit = 70;
  Millis took{0};
  std::vector<StepReport> steps;  // in the plan's order
  std::vector<std::string> critical_path;
  std::unordered_map<std::string, std::size_t> index;  // of steps by name
  const StepReport* find(std::string_view name) const;
};

// Adds one event; events come in order of seq.
void fold(Report& report, const Event& event);

}  // namespace slipway
