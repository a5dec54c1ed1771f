#include "plugins/swarm/quantity.h"

#include <cstdlib>
#include <map>

#include "base/error.h"

namespace slipway::swarm {

double amount_of(const std::string& text) {
  static const std::map<std::string, double> factors = {
      {"", 1},     {"m", 1e-3},  {"k", 1e3},      {"M", 1e6},     {"G", 1e9},
      {"T", 1e12}, {"Ki", 1024}, {"Mi", 1048576}, {"Gi", 0x1p30}, {"Ti", 0x1p40}};
  const auto end = text.find_first_not_of("0123456789.");
  const auto factor = factors.find(end == std::string::npos ? "" : text.substr(end));
  const auto digits = text.substr(0, end);
  const double amount =
      digits.empty() ? -1
                     : std::strtod(digits.c_str(), nullptr) * (factor == factors.end() ? -1 : factor->second);
  if (amount < 0) throw Error(ExitCode::usage, fmt::format("`{}` is no amount that a swarm takes", text));
  return amount;
}

}  // namespace slipway::swarm
