// The last words of a run: what failed and how, what was done, where the time went, what to do next.
#pragma once
#include <string>

#include "cli/look.h"
#include "report/fold.h"

namespace slipway::cli {

// Counts of a report, as the summary tells them.
struct Tally {
  std::size_t ran = 0, cached = 0, failed = 0, ignored = 0, skipped = 0, stopped = 0;
  Millis saved{0};  // what the cached steps took when they ran
};
Tally tally(const Report& report);

// True when nothing was made or changed: every step was cached, only looked (its phase is "source"), or says
// that it `changed` nothing.
bool did_nothing(const Report& report);

// What happened to a step, in a few words on one line: "failed: exit 1 in `make`", "took longer than 5m00s".
std::string ending_words(const StepReport& step);

// Who let the step go on or not: "approved by anna: looks good"; "" when nobody was asked.
std::string decision_words(const StepReport& step);

// One failed step: message, place in the spec with its line, evidence, last lines of its log, hint.
std::string failure_text(const StepReport& step, const Look& look);

// All failed steps and the closing lines. Ends with a newline.
std::string summary_text(const Report& report, const Look& look);

// GitHub workflow commands that mark the failures in the spec (at most 10, all that GitHub shows of a step).
std::string github_annotations(const Report& report);

}  // namespace slipway::cli
