// What a run leaves on stdout, for scripts.
#pragma once
#include <string>

#include "report/fold.h"

namespace slipway::cli {

// {"run", "spec", "environment", "result", "exit", "ms", "steps": [{"name", "phase", "result", "ms",
// "cached", "outputs", …}], "images": {name: reference}, "urls": {name: url}, "critical_path"}
json result_json(const Report& report);

// The same for a person's script: a line for each image ("image NAME REFERENCE") and URL ("url NAME URL").
std::string result_text(const Report& report);

}  // namespace slipway::cli
