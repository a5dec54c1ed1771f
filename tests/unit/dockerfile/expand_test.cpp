#include "plugins/dockerfile/expand.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace slipway;
using namespace slipway::dockerfile;

namespace {
const Variables variables{{"a", "one"}, {"empty", ""}, {"path", "/usr/local/lib.so.1"}, {"n", "x.y.x"}};
std::string ex(std::string_view text) {
  return expand(text, variables);
}
std::string refusal(std::string_view text) {
  try {
    return "no error: " + ex(text);
  } catch (const Error& e) {
    return e.message();
  }
}
}  // namespace

TEST_CASE("variables are replaced, quotes and escapes resolved", "[dockerfile]") {
  CHECK(ex("$a-${a}x $nope.") == "one-onex .");
  CHECK(ex("'$a' \"$a\" \\$a \\\\") == "$a one $a \\");
  CHECK(ex("\"a\\b \\\"q\\\"\"") == "a\\b \"q\"");
  CHECK(ex("$1$@x $") == "x $");
  CHECK(expand("`$a $a\\b", variables, '`') == "$a one\\b");
  CHECK(expand_heredoc("'$a' \\$a \"x\" \\n", variables) == "'one' $a \"x\" \\n");
}

TEST_CASE("a default stands in for what is not set, or empty", "[dockerfile]") {
  CHECK(ex("${nope-d} ${empty-d} ${empty:-d} ${a:-d}") == "d  d one");
  CHECK(ex("${a:+yes}${empty:+yes}${empty+set}${nope+set}") == "yesset");
  CHECK(ex("${nope:-$a/${a}}") == "one/one");
  CHECK(ex("${a?}${empty?}") == "one");
}

TEST_CASE("prefixes, suffixes and parts are cut as a shell does", "[dockerfile]") {
  CHECK(ex("${path##*/}") == "lib.so.1");
  CHECK(ex("${path#*/}") == "usr/local/lib.so.1");
  CHECK(ex("${path%.*}") == "/usr/local/lib.so");
  CHECK(ex("${path%%.*}") == "/usr/local/lib");
  CHECK(ex("${n/x/-} ${n//x/-} ${n//./} ${n/q/-}") == "-.y.x -.y.- xyx x.y.x");
}

TEST_CASE("mistakes in a substitution name it", "[dockerfile]") {
  CHECK(refusal("${a") == "a `}` is missing in `${a`");
  CHECK(refusal("${a:#x}") == "`:#` is no operator of a variable in `${a:#x}`");
  CHECK(refusal("${}") == "a variable's name is missing in `${}`");
  CHECK(refusal("'a") == "a quote is not closed in `'a`");
  CHECK(refusal("${nope:?give it with --build-arg}") == "`nope` is missing: give it with --build-arg");
  CHECK(refusal("${empty:?}") == "`empty` is not set or empty");
}
