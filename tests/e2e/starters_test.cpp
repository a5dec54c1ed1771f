// Every starter as a user meets it: laid out, brought to health, asked, changed in nothing, stopped.
#include <catch2/catch.hpp>

#include "support/slipway.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("a starter goes from init to a healthy answer", "[starters]") {
  if (!have("mmdebstrap") || !have("haproxy") || !(have("crun") || have("runc"))) return;
  const auto [name, expected] =
      GENERATE(table<std::string, std::string>({{"python-flask", R"({"hello":"world"})"},
                                                {"node", R"({"hello":"world"})"},
                                                {"go", R"({"hello":"world"})"},
                                                {"cpp", R"({"hello": "world"})"},
                                                {"static", "<h1>Hello, world</h1>"}}));
  INFO(name);
  User user;
  user.share_cache();
  const auto project = "my-" + name;
  REQUIRE(user.slipway({"init", "--template", name, project}).code == 0);
  const auto spec = user.dir() / project / "slipway.yaml";
  auto text = read_file(spec);
  const int port = free_port();
  const std::string publish = "publish: 8080";
  text.replace(text.find(publish), publish.size(), fmt::format("publish: {}", port));
  write_file_atomic(spec, text);

  const auto ran = user.slipway({"run"}, project, Millis(600'000));
  INFO(ran.err);
  CHECK(ran.code == 0);
  if (ran.code == 0) {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/", port);
    CHECK(HttpClient().send(request).body.find(expected) != std::string::npos);
  }
  CHECK(user.slipway({"down", "--volumes", "--yes"}, project).code == 0);
}
