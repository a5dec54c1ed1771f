// What the suite says when a real part is missing.
#include <catch2/catch.hpp>

#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// One test of this program that needs busybox, where there is none.
Ran without_parts(const std::string& ci) {
  Command command;
  command.argv = {fs::read_symlink("/proc/self/exe"), "a command runs in the layers*"};
  command.env = {{"PATH", "/nonexistent"}, {"CI", ci}};
  Ran ran;
  ran.code = run_process(command, [&](Stream, std::string_view text) { ran.out += text; }).status.code;
  return ran;
}

}  // namespace

TEST_CASE("a test whose part is missing is skipped by name, and fails in CI", "[support]") {
  const auto skipped = without_parts("");
  INFO(skipped.out);
  CHECK(skipped.code == 77);
  CHECK_THAT(skipped.out, Catch::Contains("skipped: `busybox` is not installed"));
  const auto failed = without_parts("true");
  INFO(failed.out);
  CHECK(failed.code == 1);
  CHECK_THAT(failed.out, Catch::Contains("`busybox` is not installed: CI must have every real part"));
}
