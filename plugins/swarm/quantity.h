// Amounts as the spec writes them: "250m", "0.5", "64Mi", "1G".
#pragma once
#include <string>

namespace slipway::swarm {

// "250m" is 0.25. Throws Error(usage) when it is none.
double amount_of(const std::string& text);

}  // namespace slipway::swarm
