#include "base/diagnostics.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace slipway;

TEST_CASE("every mistake is shown with its place, its line and a hint, in the order of the text", "[base]") {
  Diagnostics d;
  d.source("slipway.yaml", "version: 1\nimages:\n  users:\n    stpes: 3\n");
  d.error({"slipway.yaml", 4, 5, 5}, "unknown key `stpes`", "did you mean `steps`?");
  d.error({"slipway.yaml", 1, 10, 1}, "version is too old");
  CHECK(d.render() ==
        "slipway.yaml:1:10: version is too old\n"
        "     1 | version: 1\n"
        "       |          ^\n"
        "slipway.yaml:4:5: unknown key `stpes`\n"
        "     4 |     stpes: 3\n"
        "       |     ^~~~~\n"
        "  hint: did you mean `steps`?\n");
  CHECK(d.has_errors());
  try {
    d.throw_if_errors();
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::usage);
    CHECK(e.where() == Location{"slipway.yaml", 1, 10, 1});
    CHECK(e.message().starts_with("version is too old\n"));
    CHECK(e.str() + "\n" == d.render());
  }
}

TEST_CASE("a mistake that is met twice is told once", "[base]") {
  Diagnostics d;
  for (int i = 0; i < 2; ++i) d.error({"slipway.yaml", 4, 5, 5}, "unknown key `stpes`");
  d.error({"slipway.yaml", 4, 5, 5}, "unknown key `other`");
  d.error({}, "no environment");
  CHECK(d.all().size() == 3);
}

TEST_CASE("a warning alone stops nothing", "[base]") {
  Diagnostics d;
  d.warning({"a.yaml", 1, 1, 1}, "old spelling");
  CHECK_FALSE(d.has_errors());
  CHECK_NOTHROW(d.throw_if_errors());
  CHECK(d.render() == "a.yaml:1:1: warning: old spelling\n");
}

TEST_CASE("the frame counts code points and keeps tabs", "[base]") {
  CHECK(code_frame("na\xC3\xAFve: x\n", {"f", 1, 8, 1}) == "     1 | na\xC3\xAFve: x\n       |        ^\n");
  CHECK(code_frame("\tkey: x\n", {"f", 1, 2, 3}) == "     1 | \tkey: x\n       | \t^~~\n");
}

TEST_CASE("a frame never lets control characters or endless lines through", "[base]") {
  const auto frame = code_frame("a\x1b[31mb" + std::string(5000, 'x'), {"f", 1, 1, 1});
  CHECK(frame.find('\x1b') == std::string::npos);
  CHECK(frame.size() < 400);
}

TEST_CASE("a place outside the text has no frame", "[base]") {
  CHECK(code_frame("one\n", {"f", 9, 1, 1}).empty());
  CHECK(code_frame("one\n", {"f", 0, 0, 1}).empty());
}

TEST_CASE("an error tells what, where, what next", "[base]") {
  Error e(ExitCode::unavailable, "cannot reach `registry:5000`: connection refused");
  e.hint("is it running?").trail("while pushing `api:1.4`").detail("line one\nline two");
  CHECK(e.str() ==
        "cannot reach `registry:5000`: connection refused\n"
        "  while pushing `api:1.4`\n"
        "  | line one\n"
        "  | line two\n"
        "  hint: is it running?");
}

TEST_CASE("a full disk says so", "[base]") {
  try {
    throw_errno("write `x`", ENOSPC);
  } catch (const Error& e) {
    CHECK(e.message() == "cannot write `x`: the disk is full");
    CHECK(e.code() == ExitCode::unavailable);
  }
}
