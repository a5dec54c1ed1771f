#include <catch2/catch.hpp>

#include "base/error.h"
#include "plugins/dockerfile/dockerfile.h"

using namespace slipway;
using namespace slipway::dockerfile;

namespace {

Dockerfile parse(const std::string& text) {
  Diagnostics diagnostics;
  auto out = parse_dockerfile(text, "Dockerfile", diagnostics);
  INFO(diagnostics.render());
  REQUIRE_FALSE(diagnostics.has_errors());
  return out;
}

std::string mistakes(const std::string& text) {
  Diagnostics diagnostics;
  parse_dockerfile(text, "Dockerfile", diagnostics);
  return diagnostics.render();
}

}  // namespace

TEST_CASE("lines are joined at the escape, comments and blank lines within are dropped", "[dockerfile]") {
  const auto file = parse(
      "\xEF\xBB\xBF# a comment\r\n\r\nfrom busybox AS b\r\nRUN a && \\\r\n  # why\r\n\r\n  b \\ \r\n c\r\n");
  REQUIRE(file.instructions.size() == 2);
  CHECK(file.instructions[0].keyword == "FROM");
  CHECK(file.instructions[0].words == std::vector<std::string>{"busybox", "AS", "b"});
  CHECK(file.instructions[1].text == "a &&   b  c");
  CHECK(file.instructions[1].where.str() == "Dockerfile:4:1");
}

TEST_CASE("the escape directive changes the continuation", "[dockerfile]") {
  const auto file = parse("# escape=`\nFROM x\nRUN dir C:\\ `\n  more\n");
  CHECK(file.escape == '`');
  CHECK(file.instructions[1].text == "dir C:\\   more");
  CHECK(parse("# a comment\n# escape=`\nFROM x\n").escape == '\\');
}

TEST_CASE("JSON form is a list, and JSON that is none is shell form", "[dockerfile]") {
  const auto file = parse("FROM x\nCMD [\"a\", \"b c\"]\nCMD [a, b]\nCMD echo hi\nCOPY [\"a b\", \"/c/\"]\n");
  CHECK(file.instructions[1].json);
  CHECK(file.instructions[1].words == std::vector<std::string>{"a", "b c"});
  CHECK_FALSE(file.instructions[2].json);
  CHECK(file.instructions[2].text == "[a, b]");
  CHECK(file.instructions[4].words == std::vector<std::string>{"a b", "/c/"});
}

TEST_CASE("flags end at the first word without dashes", "[dockerfile]") {
  const auto file =
      parse("FROM --platform=linux/amd64 x\nCOPY --from=a --chown=\"1:2\" --chmod=755 s d\nRUN -- --x\n");
  CHECK(file.instructions[0].flag_value("platform") == "linux/amd64");
  CHECK(file.instructions[1].flag_value("from") == "a");
  CHECK(file.instructions[1].flag_value("chown") == "1:2");
  CHECK(file.instructions[1].words == std::vector<std::string>{"s", "d"});
  CHECK(file.instructions[2].text == "--x");
}

TEST_CASE("heredocs are read whole, several on a line", "[dockerfile]") {
  const auto file = parse(
      "FROM x\nRUN <<EOF\n# not a comment\necho \\\n  a\nEOF\nCOPY <<a <<-'b' /d/\n1\na\n\t2 $x\n\tb\nRUN "
      "cat <<<word\n");
  REQUIRE(file.instructions[1].heredocs.size() == 1);
  CHECK(file.instructions[1].heredocs[0].content == "# not a comment\necho \\\n  a\n");
  REQUIRE(file.instructions[2].heredocs.size() == 2);
  CHECK(file.instructions[2].heredocs[0].expand);
  CHECK(file.instructions[2].heredocs[1].content == "2 $x\n");
  CHECK_FALSE(file.instructions[2].heredocs[1].expand);
  CHECK(file.instructions[3].heredocs.empty());
}

TEST_CASE("every mistake of a Dockerfile is shown at its line, at once", "[dockerfile]") {
  CHECK(mistakes("FROM x\nRUNN make\nCOPY a\nRUN --mount=type=cache,target=/c make\n") ==
        "Dockerfile:2:1: unknown instruction `RUNN`\n"
        "     2 | RUNN make\n"
        "       | ^~~~\n"
        "  hint: did you mean `RUN`?\n"
        "Dockerfile:3:1: `COPY` needs two arguments or more\n"
        "     3 | COPY a\n"
        "       | ^~~~\n"
        "  hint: write `COPY SOURCE... DEST`\n"
        "Dockerfile:4:1: `RUN --mount` is not supported yet\n"
        "     4 | RUN --mount=type=cache,target=/c make\n"
        "       | ^~~\n");
}

TEST_CASE("what is not built yet says so, what is wrong says why", "[dockerfile]") {
  CHECK_THAT(mistakes("FROM x\nONBUILD RUN a\n"),
             Catch::StartsWith("Dockerfile:2:1: `ONBUILD` is not supported yet\n"));
  CHECK_THAT(
      mistakes("FROM x\nADD https://a/b /c\n"),
      Catch::StartsWith(
          "Dockerfile:2:1: `ADD https://a/b` is not supported yet: only local files and archives are\n"));
  CHECK_THAT(mistakes("FROM x\nCOPY --form=a b c\n"), Catch::Contains("hint: did you mean `--from`?"));
  CHECK_THAT(mistakes("FROM x\nCMD [\"a\", 1]\n"),
             Catch::Contains("the list of `CMD` holds something that is no text"));
  CHECK_THAT(mistakes("FROM x\nSHELL bash\n"), Catch::Contains("`SHELL` needs a JSON list"));
  CHECK_THAT(mistakes("FROM x\nRUN <<EOF\na\n"), Catch::Contains("the heredoc `EOF` does not end"));
  CHECK_THAT(mistakes("RUN a\nFROM x\n"), Catch::Contains("`RUN` stands before the first `FROM`"));
  CHECK_THAT(mistakes("ARG a\n"), Catch::Contains("the Dockerfile has no `FROM`"));
  CHECK_THAT(mistakes("# nothing\n"), Catch::Contains("the Dockerfile has no instructions"));
  CHECK_THAT(mistakes("FROM x\nHEALTHCHECK curl\n"), Catch::Contains("`HEALTHCHECK curl` is neither"));
  CHECK_THAT(mistakes("FROM x\nRUN " + std::string(70'000, 'a')), Catch::Contains("longer than 65535 bytes"));
}
