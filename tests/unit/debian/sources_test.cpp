#include "plugins/debian/sources.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::debian;

namespace {

struct Apt {
  TempDir dir{fs::temp_directory_path(), "apt-"};
  Apt() { make_dirs(dir.path() / "sources.list.d"); }
  void write(const std::string& file, const std::string& text) const {
    write_file_atomic(dir.path() / file, text);
  }
  std::vector<std::string> lines(const std::string& suite, const std::string& mirror = "") const {
    std::vector<std::string> out;
    for (const auto& source : sources_for(suite, mirror, dir.path(), dir.path() / "keys"))
      out.push_back(source.line());
    return out;
  }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("the machine's sources of the suite are used, others are not", "[debian]") {
  const Apt apt;
  apt.write("sources.list",
            "# a comment\ndeb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib # mine\n"
            "deb-src http://m/debian bookworm main\n");
  apt.write(
      "sources.list.d/b.sources",
      "Types: deb deb-src\nURIs: http://s/debian-security\nSuites: bookworm-security\nComponents: main\n"
      "Signed-By: /usr/share/keyrings/d.gpg\n\nTypes: deb\nURIs: http://off\nSuites: bookworm\nComponents: "
      "main\n"
      "Enabled: no\n\n# other people's\nTypes: deb\nURIs: https://node\nSuites: nodistro\nComponents: "
      "main\n");
  apt.write("sources.list.d/c.list", "deb https://cloud cloud-bookworm main\n");
  apt.write("sources.list.d/d.list.save", "deb http://old bookworm main\n");
  CHECK(apt.lines("bookworm") ==
        Lines{"deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib",
              "deb [signed-by=/usr/share/keyrings/d.gpg] http://s/debian-security bookworm-security main"});
}

TEST_CASE("a mirror given wins over the machine's", "[debian]") {
  const Apt apt;
  CHECK(apt.lines("trixie", "http://m/debian") == Lines{"deb http://m/debian trixie main"});
  CHECK(apt.lines("trixie", "deb [trusted=yes] http://m/x trixie main universe") ==
        Lines{"deb [trusted=yes] http://m/x trixie main universe"});
}

TEST_CASE("another suite is looked for where the machine's own comes from", "[debian]") {
  const Apt apt;
  apt.write("sources.list", "deb http://m/debian " + own_suite() + " main\n");
  CHECK(apt.lines("forky") == Lines{"deb http://m/debian forky main"});
}

TEST_CASE("without any source the error says how to name one", "[debian]") {
  const Apt apt;
  try {
    apt.lines("bookworm");
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.str() ==
          "this machine's apt has no source for the suite `bookworm`\n"
          "  hint: name one with `mirror: http://HOST/debian`");
  }
}

TEST_CASE("a key inside a stanza becomes a file", "[debian]") {
  const Apt apt;
  apt.write("sources.list.d/a.sources",
            "Types: deb\nURIs: http://m\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN PGP "
            "PUBLIC KEY "
            "BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n");
  const auto lines = apt.lines("bookworm");
  REQUIRE(lines.size() == 1);
  const auto from = lines[0].find("signed-by=") + 10;
  const auto key = read_file(lines[0].substr(from, lines[0].find(']') - from));
  CHECK_THAT(key, Catch::Contains("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END"));
}
