#include "plugins/local/shim/restart_delay.h"

#include <catch2/catch.hpp>

using namespace slipway::local;
using namespace std::chrono_literals;

TEST_CASE("a replica that keeps exiting is started ever more slowly, never slower than once a minute",
          "[local]") {
  RestartDelay delay(1s);
  for (const auto wanted : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s}) CHECK(delay.after(3s) == wanted);
  // After a good life it begins anew; at its end exactly it does not.
  CHECK(delay.after(10min) == 60s);
  CHECK(delay.after(10min + 1ms) == 1s);
  CHECK(delay.after(0s) == 2s);
}

TEST_CASE("a first delay beyond a minute is a minute", "[local]") {
  RestartDelay delay(5min);
  CHECK(delay.after(0s) == 60s);
}
