// A report as JUnit XML, the form that every CI reads (github.com/testmoapp/junitxml).
#pragma once
#include <string>

#include "report/fold.h"

namespace slipway {

// One suite per step that told of test cases; a suite "slipway" with a case for every other step, so that a
// failed build shows too. Characters that XML forbids become U+FFFD.
//
// A "test.case" fact holds `name`, `result` ("success", "failure", "error" or "skip") and, when known,
// `suite`, `class`, `file`, `ms`, `message`, `output`.
std::string junit_xml(const Report& report);

}  // namespace slipway
