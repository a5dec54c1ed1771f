#include "base/utc.h"

#include <cstdio>
#include <ctime>
#include <string>

namespace slipway {

std::optional<std::int64_t> parse_utc(std::string_view text) {
  std::tm tm{};
  int micros = 0, used = 0;
  const std::string copy(text);
  const int fields = std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ%n", &tm.tm_year, &tm.tm_mon,
                                 &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micros, &used);
  if (fields != 7 || static_cast<std::size_t>(used) != text.size()) return std::nullopt;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const std::time_t seconds = timegm(&tm);
  return static_cast<std::int64_t>(seconds) * 1'000'000 + micros;
}

}  // namespace slipway
