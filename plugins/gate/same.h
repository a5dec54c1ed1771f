// Does another environment serve what is to be rolled out here?
#pragma once
#include <string>
#include <vector>

#include "plugin/plugin.h"

namespace slipway::gate {

struct Verdict {
  bool open = false;
  std::vector<std::string> lines;  // what speaks against it, service by service; or what speaks for it
};

// `params` of the action `same`; `now` in microseconds since the epoch.
Verdict compare(const json& params, std::int64_t now);

}  // namespace slipway::gate
