#include "base/patterns.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("wildcards stop at a slash, unless there are two stars", "[dockerfile]") {
  CHECK(match_path("*.txt", "a.txt"));
  CHECK_FALSE(match_path("*.txt", "d/a.txt"));
  CHECK(match_path("d/?.[a-t]xt", "d/a.txt"));
  CHECK_FALSE(match_path("[^a]b", "ab"));
  CHECK(match_path("a\\*b", "a*b"));
  CHECK_FALSE(match_path("a\\*b", "axb"));
  CHECK(match_path("**/x", "x", true));
  CHECK(match_path("**/x", "a/b/x", true));
  CHECK(match_path("a/**", "a/b/c", true));
  CHECK(match_path("a/**/c", "a/c", true));
  CHECK_FALSE(match_path("a/**/c", "b/c", true));
}

TEST_CASE("the last rule that matches decides, folders rule what is below", "[dockerfile]") {
  const IgnoreRules rules(
      "# comment\n\n/build/\n*.log\n!keep.log\n**/cache\n  docs/*.md  \n!docs/README.md\n", ".dockerignore");
  CHECK(rules.ignores("build/x/y"));
  CHECK(rules.ignores("a.log"));
  CHECK_FALSE(rules.ignores("sub/a.log"));
  CHECK_FALSE(rules.ignores("keep.log"));
  CHECK(rules.ignores("a/b/cache/c"));
  CHECK(rules.ignores("docs/x.md"));
  CHECK_FALSE(rules.ignores("docs/README.md"));
  CHECK_FALSE(rules.ignores("src/main.c"));
  CHECK(rules.ignores("build")->line == 3);
}

TEST_CASE("an ignored folder is walked only when something in it may be kept", "[dockerfile]") {
  const IgnoreRules rules("*\n!src/**/*.c\n!doc/a\n", ".dockerignore");
  CHECK(rules.may_keep_below("src"));
  CHECK(rules.may_keep_below("src/deep"));
  CHECK(rules.may_keep_below("doc"));
  CHECK_FALSE(rules.may_keep_below("node_modules"));
  CHECK_FALSE(rules.may_keep_below("doc/b"));
  CHECK(rules.ignores("README"));
  CHECK_FALSE(rules.ignores("src/a/b.c"));
  CHECK(rules.ignores("src/a/b.h"));
}
