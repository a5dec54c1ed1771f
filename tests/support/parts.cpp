#include "support/parts.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

#include "sys/process.h"

namespace slipway::test {

namespace {

std::set<std::string>& skipped() {
  static std::set<std::string> names;
  return names;
}

}  // namespace

bool skip(std::string_view why) {
  const char* ci = std::getenv("CI");
  if (ci && *ci) FAIL(why << ": CI must have every real part");
  WARN("skipped: " << why);
  skipped().insert(Catch::getResultCapture().getCurrentTestName());
  return false;
}

bool have(std::string_view program) {
  return find_program(program) ? true : skip(fmt::format("`{}` is not installed", program));
}

bool have_root() {
  return ::geteuid() == 0 ? true : skip("root is needed");
}

bool have_runtime() {
  return find_program("crun") || find_program("runc") ? true : skip("neither crun nor runc is installed");
}

std::size_t skipped_tests() {
  return skipped().size();
}

}  // namespace slipway::test
