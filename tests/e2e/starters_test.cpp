// Every starter as a user meets it: laid out, brought to health, asked, changed in nothing, stopped.
#include <catch2/catch.hpp>

#include "support/slipway.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;

namespace {

bool parts() {
  return have_root() && have_runtime() && have("mmdebstrap") && have("haproxy");
}

// Runs the project in `folder` under a free port until it is healthy, asks it, and stops it.
void runs_and_answers(const User& user, const std::string& folder, const std::string& expected) {
  const auto spec = user.dir() / folder / "slipway.yaml";
  auto text = read_file(spec);
  const int port = free_port();
  const std::string publish = "publish: 8080";
  REQUIRE(text.find(publish) != std::string::npos);
  text.replace(text.find(publish), publish.size(), fmt::format("publish: {}", port));
  write_file_atomic(spec, text);

  const auto ran = user.slipway({"run"}, folder, Millis(600'000));
  INFO(ran.err);
  CHECK(ran.code == 0);
  if (ran.code == 0) {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/", port);
    CHECK(HttpClient().send(request).body.find(expected) != std::string::npos);
  }
  CHECK(user.slipway({"down", "--volumes", "--yes"}, folder).code == 0);
}

}  // namespace

TEST_CASE("a starter goes from init to a healthy answer", "[starters]") {
  if (!parts()) return;
  const auto [name, expected] =
      GENERATE(table<std::string, std::string>({{"python-flask", R"({"hello":"world"})"},
                                                {"node", R"({"hello":"world"})"},
                                                {"go", R"({"hello":"world"})"},
                                                {"cpp", R"({"hello": "world"})"},
                                                {"static", "<h1>Hello, world</h1>"}}));
  INFO(name);
  User user;
  user.share_cache();
  REQUIRE(user.slipway({"init", "--template", name, "my-" + name}).code == 0);
  runs_and_answers(user, "my-" + name, expected);
}

TEST_CASE("code with a known manifest goes from a bare init to a healthy answer", "[starters]") {
  if (!parts()) return;
  const auto [name, manifest] =
      GENERATE(table<std::string, std::string>({{"python-flask", "requirements.txt"},
                                                {"node", "package.json"},
                                                {"go", "go.mod"},
                                                {"cpp", "CMakeLists.txt"}}));
  INFO(name);
  User user;
  user.share_cache();
  REQUIRE(user.slipway({"init", "--template", name, "code"}).code == 0);
  for (const char* file : {"Dockerfile", ".dockerignore", "slipway.yaml"})
    REQUIRE(fs::remove(user.dir() / "code" / file));
  const auto made = user.slipway({"init"}, "code");
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK_THAT(made.out,
             Catch::StartsWith("found  " + manifest + "\nwrote  Dockerfile  .dockerignore  slipway.yaml"));
  runs_and_answers(user, "code", "hello");
}
