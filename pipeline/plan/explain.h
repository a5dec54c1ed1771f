// Why a step runs: which parts of its key differ from the last time.
#pragma once
#include <string>

#include "plan/plan.h"

namespace slipway {

// A cache decision's reason, as it stands in the event stream:
//     {"why": "changed", "from": RUN, "differs": [{"part": "params/context_id", "before": …, "after": …}],
//     "more": N}
//     {"why": "done", "from": RUN} {"why": "first"} {"why": "off"} {"why": "refused"} {"why": "failed",
//     "from": RUN} {"why": "gone", "from": RUN} {"why": "same", "from": RUN}
// `before` and `after` are short texts; one of them is missing when the part came or went.

// Compares the parts of two keys (plan/key.h). At most 20 differences are named; "more" counts the rest.
json explain_difference(const std::string& before_parts, const std::string& after_parts,
                        const std::string& from_run);

// A few words for a console: "context_id changed", "first run", "env CC came, 2 more"; "" when there is
// nothing to say.
std::string summarize_reason(const json& reason);

// One line per difference, for `slipway why`.
std::vector<std::string> describe_reason(const json& reason);

}  // namespace slipway
