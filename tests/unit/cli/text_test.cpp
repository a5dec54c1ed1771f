#include "cli/text.h"

#include <catch2/catch.hpp>

using namespace slipway::cli;

TEST_CASE("what a program prints cannot steer the terminal", "[cli]") {
  CHECK(harmless("plain") == "plain");
  CHECK(harmless("\x1b[31mred\x1b[0m and \x1b[2J\x1b[Hgone") == "red and gone");
  CHECK(harmless("\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "text link");
  CHECK(harmless("\x1bPdevice\x1b\\ok \x1b(B ok \x1b"
                 "7 ok") == "ok  ok  ok");
  CHECK(harmless("bell\a back\b null" + std::string(1, '\0') + "!") == "bell back null!");
  CHECK(harmless("c1 \xc2\x9b"
                 "31m csi") == "c1 31m csi");
  CHECK(harmless("\xe2\x80\xae"
                 "evil") == "evil");
  CHECK(harmless("cut \xff\xfe") == "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(harmless("unfinished \x1b[12") == "unfinished ");
  CHECK(harmless("unfinished \x1b]0;abc") == "unfinished ");
  CHECK(harmless("last \x1b") == "last ");
}

TEST_CASE("of a progress bar its last state stays", "[cli]") {
  CHECK(harmless(" 10%\r 50%\r100% done\r\n") == "100% done");
  CHECK(harmless("windows line\r\n") == "windows line");
}

TEST_CASE("a tab goes to the next multiple of eight", "[cli]") {
  CHECK(harmless("a\tb") == "a       b");
  CHECK(harmless("12345678\tb") == "12345678        b");
  CHECK(harmless("日本\tb") == "日本    b");
}

TEST_CASE("text is cut and filled by columns, not bytes", "[cli]") {
  CHECK(columns_of("abc") == 3);
  CHECK(columns_of("日本") == 4);
  CHECK(columns_of("e\xcc\x81") == 1);
  CHECK(fit("users", 5) == "users");
  CHECK(fit("gateway", 5) == "gate…");
  CHECK(fit("gateway", 5, false) == "gate~");
  CHECK(fit("日本語", 4) == "日…");
  CHECK(fit("abc", 0).empty());
  CHECK(pad("日", 4) == "日  ");
  CHECK(pad("gateway", 4) == "gat…");
}

TEST_CASE("lines keep their order and need no last newline", "[cli]") {
  CHECK(lines_of("").empty());
  CHECK(lines_of("a\n\nb") == std::vector<std::string_view>{"a", "", "b"});
  CHECK(lines_of("a\n") == std::vector<std::string_view>{"a"});
}
