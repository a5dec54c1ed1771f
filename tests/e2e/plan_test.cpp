// slipway plan as a user meets it: what would run and why, and nothing is run.
#include <catch2/catch.hpp>

#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

struct Project : User {
  Project() {
    write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: make, run: "echo made >>log", inputs: [src/**]}
  - {name: ship, run: "echo shipped >>log", after: make}
)");
    write("src/a.txt", "1");
  }
  std::string log() const { return read_file_if_exists(dir() / "log").value_or(""); }
};

}  // namespace

TEST_CASE("a plan tells what would run and why, and runs nothing", "[plan]") {
  Project user;
  const auto first = user.slipway({"plan"});
  INFO(first.err);
  REQUIRE(first.code == 0);
  CHECK(first.out ==
        "demo\n make  run    first run\n ship  run    runs every time\n2 to run · 0 reused · nothing "
        "was executed\n");
  CHECK(user.log().empty());
  CHECK(user.slipway({"plan", "--exit-code"}).code == 10);

  REQUIRE(user.slipway({"run"}).code == 0);
  CHECK(user.log() == "made\nshipped\n");
  const auto second = user.slipway({"plan", "make"});
  CHECK(second.out == "demo\n make  reuse  as in r-1\n0 to run · 1 reused · nothing was executed\n");
  CHECK(user.slipway({"plan", "make", "--exit-code"}).code == 0);

  user.write("src/a.txt", "2");
  const auto changed = user.slipway({"plan", "make", "-o", "json"});
  const auto step = json::parse(changed.out)["steps"][0];
  CHECK(step["will"] == "run");
  CHECK(step["reason"]["why"] == "changed");
  CHECK(step["reason"]["differs"][0]["part"] == "fingerprint/src/a.txt");
}

TEST_CASE("a saved plan is run as it was made", "[plan]") {
  Project user;
  REQUIRE(user.slipway({"plan", "--out", "plan.json"}).code == 0);
  user.write("slipway.yaml", "version: 1\nname: demo\nsteps: [{name: other, run: \"false\"}]\n");
  const auto ran = user.slipway({"run", "--plan", "plan.json"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(user.log() == "made\nshipped\n");
}
