#include "base/glob.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("patterns match as people expect of a shell with **", "[base]") {
  CHECK(glob_match("src/*.cpp", "src/a.cpp"));
  CHECK_FALSE(glob_match("src/*.cpp", "src/b/a.cpp"));
  CHECK(glob_match("src/**/*.cpp", "src/a.cpp"));
  CHECK(glob_match("src/**/*.cpp", "src/b/c/a.cpp"));
  CHECK(glob_match("src", "src/b/c/a.cpp"));
  CHECK(glob_match("**", "anything/at/all"));
  CHECK(glob_match("a?c[0-9][!x]", "abc5y"));
  CHECK_FALSE(glob_match("a?c[0-9][!x]", "abc5x"));
  CHECK_FALSE(glob_match("src/a", "src"));
  CHECK(glob_root("src/lib/*.cpp") == "src/lib");
  CHECK(glob_root("**/x") == "");
  // No pattern is slow.
  CHECK_FALSE(glob_match(std::string(40, '*') + "b", std::string(5000, 'a')));
}
