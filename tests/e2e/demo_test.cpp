// What ./dev demo promises, of the script itself: three healthy services, their URLs and answers, what to
// type next, and nothing to do the second time.
#include <catch2/catch.hpp>
#include <regex>

#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("./dev demo brings the shop to health, tells how to go on, and does nothing the second time",
          "[demo]") {
  if (!have_root() || !have_runtime() || !have("mmdebstrap") || !have("haproxy") || !have("curl")) return;
  User user;
  user.share_cache();
  const auto shop = user.dir() / "shop";
  const auto url = fmt::format("http://127.0.0.1:{}", free_port());
  Command demo;
  demo.argv = {fs::path(SLIPWAY_SOURCE_DIR) / "dev", "demo"};
  demo.env = user.env;
  demo.env["SLIPWAY_NO_APT"] = "1";
  demo.env["SLIPWAY_DEMO_DIR"] = shop;
  demo.env["SLIPWAY_DEMO_PORT"] = url.substr(url.rfind(':') + 1);
  const auto run = [&] {
    Ran ran;
    WaitOptions options;
    options.timeout = Millis(600'000);
    ran.code = run_process(
                   demo,
                   [&](Stream stream, std::string_view text) {
                     (stream == Stream::out ? ran.out : ran.err) += text;
                   },
                   options)
                   .status.code;
    return ran;
  };
  struct Down {
    const User& user;
    ~Down() { user.slipway({"down", "--volumes", "--yes"}, "shop"); }
  } down{user};

  const auto first = run();
  INFO(first.err << first.out);
  REQUIRE(first.code == 0);
  CHECK_THAT(first.err, Catch::Contains("shop → local done in ") && Catch::Contains("live  gateway  " + url));
  CHECK_THAT(first.out, Catch::Contains("$ curl " + url + "/api/users\n[") &&
                            Catch::Contains("\"name\":\"John\"") &&
                            Catch::Contains("$ curl " + url + "/api/orders\n[") &&
                            Catch::Contains("Change users/app.py there and run `slipway run` again") &&
                            Catch::Contains("  cd " + shop.string() + "\n"));
  for (const char* next : {"status", "logs -f users", "rollback", "down"})
    CHECK_THAT(first.out, Catch::Contains(fmt::format("/slipway {}\n", next)));
  const auto status = user.slipway({"status"}, "shop").out;
  INFO(status);
  for (const char* service : {"users", "orders", "gateway"})
    CHECK(std::regex_search(status, std::regex(fmt::format(R"({}\s+✔ ([0-9]+)/\1 healthy)", service))));

  const auto second = run();
  INFO(second.err << second.out);
  REQUIRE(second.code == 0);
  std::smatch said;
  REQUIRE(std::regex_search(
      second.err, said,
      std::regex(
          R"(✔ shop → local: nothing to do, all [0-9]+ steps are as they were · run r-2, ([0-9.]+)s\n)")));
  // Well under a second on a machine with nothing else to do; the suite keeps it busy.
  CHECK(std::stod(said[1].str()) < 3);
  // The same but for what laid the shop out.
  CHECK_THAT(first.out, Catch::EndsWith(second.out));
}
