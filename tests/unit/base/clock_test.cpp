#include "base/clock.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace std::chrono_literals;

TEST_CASE("durations are read as Go and compose write them", "[base]") {
  CHECK(parse_duration("90s") == Millis(90'000));
  CHECK(parse_duration("1m30s") == Millis(90'000));
  CHECK(parse_duration("500ms") == Millis(500));
  CHECK(parse_duration("1.5s") == Millis(1500));
  CHECK(parse_duration("2h") == Millis(7'200'000));
  CHECK(parse_duration("0") == Millis(0));
}

TEST_CASE("what is no duration is refused", "[base]") {
  for (const char* text : {"", "5", "s", "5x", "-1s", "1s ", "1..5s", "9999999999h", "1e3s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
}

TEST_CASE("sizes are read in powers of 1024", "[base]") {
  CHECK(parse_size("512") == 512u);
  CHECK(parse_size("20GB") == 20ull << 30);
  CHECK(parse_size("512MiB") == 512ull << 20);
  CHECK(parse_size("100k") == 100u << 10);
  for (const char* text : {"", "GB", "-1", "12 XB", "99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text).has_value());
  }
}

TEST_CASE("spans and sizes are shown short", "[base]") {
  CHECK(format_duration(400ms) == "0.4s");
  CHECK(format_duration(84s) == "1m24s");
  CHECK(format_duration(2h + 3min) == "2h03m");
  CHECK(format_size(999) == "999 B");
  CHECK(format_size(418'000'000) == "418 MB");
  CHECK(format_utc(1'795'461'425'297'876) == "2026-11-23T19:17:05.297876Z");
}
