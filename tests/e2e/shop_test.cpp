// The main job as a user does it: the sample shop from nothing to health, a change, a broken change, and
// down.
#include <catch2/catch.hpp>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "support/load.h"
#include "support/slipway.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

const std::string kUsers = R"([{"id":1,"name":"John"},{"id":2,"name":"Jane"}])";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  INFO("looking for: " << from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

bool parts() {
  return have_root() && have_runtime() && have("mmdebstrap") && have("haproxy");
}

struct Shop {
  User user;
  int port = free_port();
  fs::path dir;

  Shop() : dir(user.dir() / "shop") {
    user.share_cache();
    const auto made = user.slipway({"init", "--template", "shop", "shop"});
    INFO(made.err);
    REQUIRE(made.code == 0);
    edit("slipway.yaml", "publish: 8080", fmt::format("publish: {}", port));
  }
  ~Shop() { user.slipway({"down", "--volumes", "--yes"}, "shop"); }

  void edit(const fs::path& file, const std::string& from, const std::string& to) {
    write_file_atomic(dir / file, replaced(read_file(dir / file), from, to));
  }
  Ran slipway(std::vector<std::string> args) {
    return user.slipway(std::move(args), "shop", Millis(900'000));
  }
  HttpResponse get(const std::string& path) {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", port, path);
    return HttpClient().send(request);
  }
  std::string url(const std::string& path) const { return fmt::format("http://127.0.0.1:{}{}", port, path); }
  // The journal of the newest run: its `step.finished` events by step.
  std::map<std::string, json> finished() {
    fs::path newest;
    for (const auto& run : fs::directory_iterator(user.state() / "runs"))
      if (newest.empty() || fs::last_write_time(run) > fs::last_write_time(newest)) newest = run.path();
    std::map<std::string, json> out;
    const auto text = read_file(newest / "events.ndjson");
    for (std::size_t from = 0; from < text.size();) {
      const auto to = text.find('\n', from);
      const auto event = json::parse(text.substr(from, to - from));
      if (event["type"] == "step.finished") out[event["step"].get<std::string>()] = event;
      from = to + 1;
    }
    return out;
  }
  // Name → "cached" or its result.
  std::map<std::string, std::string> last_run() {
    std::map<std::string, std::string> out;
    for (const auto& [step, event] : finished())
      out[step] = event.value("cached", false) ? "cached" : event["result"].get<std::string>();
    return out;
  }
  // The services that the newest rollout touched.
  json changed() { return finished().at("deploy.local").at("outputs").at("changed"); }
  // Service → the ids of its replicas.
  std::map<std::string, std::set<std::string>> replicas() {
    const auto status = slipway({"status", "-o", "json"});
    INFO(status.err);
    REQUIRE(status.code == 0);
    std::map<std::string, std::set<std::string>> out;
    const auto told = json::parse(status.out);
    for (const auto& service : told.at("services"))
      for (const auto& replica : service.at("replicas"))
        out[service.at("name").get<std::string>()].insert(replica.at("id").get<std::string>());
    return out;
  }
};

}  // namespace

TEST_CASE("the sample shop goes from git to healthy, takes a change under load, and survives a broken one",
          "[shop]") {
  if (!parts()) return;
  Shop shop;

  const auto first = shop.slipway({"run"});
  INFO(first.err << first.out);
  REQUIRE(first.code == 0);
  REQUIRE(json::parse(shop.get("/api/users").body).dump() == kUsers);
  CHECK(json::parse(shop.get("/api/orders").body) == json::parse(R"([
    {"id": 1, "user_id": 1, "user": "John", "item": "lamp"}, {"id": 2, "user_id": 2, "user": "Jane", "item": "chair"}])"));

  // Nothing changed: nothing is done, and that is what it says.
  const auto replicas = shop.replicas();
  const auto again = shop.slipway({"run"});
  INFO(again.err);
  REQUIRE(again.code == 0);
  CHECK_THAT(again.err, Catch::Contains("shop → local: nothing to do, all "));
  for (const auto& [step, result] : shop.last_run()) {
    INFO(step);
    if (step.starts_with("build.") || step.starts_with("test.")) CHECK(result == "cached");
  }
  CHECK(shop.changed() == json::array());
  CHECK(shop.replicas() == replicas);

  // One line changed, under load: only users is rebuilt, retested and rolled out, and no request fails.
  {
    Load load(shop.url("/api/users"));
    REQUIRE(eventually([&] { return load.answered() > 50; }));
    // Not the words of an earlier run of this suite: its cache would know what comes of them.
    shop.edit("users/app.py", "return \"ok\\n\"", fmt::format("return \"fine {}\\n\"", now_micros()));
    const auto changed = shop.slipway({"run"});
    INFO(changed.err);
    REQUIRE(changed.code == 0);
    const auto steps = shop.last_run();
    CHECK(steps.at("build.users") == "success");
    CHECK(steps.at("test.users-api") == "success");
    CHECK(steps.at("build.orders") == "cached");
    CHECK(steps.at("build.gateway") == "cached");
    CHECK(steps.at("test.gateway-config") == "cached");
    CHECK(shop.changed() == json({"users"}));
    const auto now = shop.replicas();
    for (const char* service : {"orders", "gateway"}) CHECK(now.at(service) == replicas.at(service));
    for (const auto& id : now.at("users")) CHECK_FALSE(replicas.at("users").contains(id));
    const auto before = load.answered();
    REQUIRE(eventually([&] { return load.answered() > before + 50; }));
    load.stop();
    INFO(load.answered() << " answered; " << load.first_failure());
    CHECK(load.failed() == 0);
  }

  // A health check that answers wrongly: the old release never stops serving, the exit code says so.
  {
    Load load(shop.url("/api/users"));
    shop.edit("users/app.py", "    return \"fine ",
              "    return \"the disk is on fire\\n\", 500\n    return \"");
    shop.edit("slipway.yaml", "{http: /healthz, <<: *probe}", "{http: /healthz, <<: *probe, retries: 6}");
    shop.edit("users/tests/test_app.py", "assertEqual(self.client.get(\"/healthz\").status_code, 200)",
              "assertTrue(True)");
    const auto broken = shop.slipway({"run"});
    INFO(broken.err);
    CHECK(broken.code == 4);
    CHECK(broken.err.find("users") != std::string::npos);
    CHECK(broken.err.find("500") != std::string::npos);
    const auto before = load.answered();
    REQUIRE(eventually([&] { return load.answered() > before + 50; }));
    load.stop();
    INFO(load.answered() << " answered; " << load.first_failure());
    CHECK(load.failed() == 0);
  }
  CHECK(json::parse(shop.get("/api/users").body).dump() == kUsers);

  const auto status = shop.slipway({"status"});
  INFO(status.out << status.err);
  CHECK(status.code == 0);
  for (const char* service : {"users", "orders", "gateway"})
    CHECK(status.out.find(service) != std::string::npos);

  const auto down = shop.slipway({"down", "--volumes", "--yes"});
  INFO(down.err);
  CHECK(down.code == 0);
  CHECK_THROWS_AS(shop.get("/up"), Error);
}

TEST_CASE("a red test stops the rollout and shows its last lines", "[shop]") {
  if (!parts()) return;
  Shop shop;
  shop.edit("users/tests/test_app.py", "\"name\": \"Jane\"", "\"name\": \"Joan\"");
  const auto red = shop.slipway({"run"});
  INFO(red.err);
  CHECK(red.code == 1);
  CHECK(red.err.find("test_the_first_users_are_there") != std::string::npos);
  CHECK(shop.last_run().at("deploy.local") == "skip");
}

TEST_CASE("the everyday Dockerfile builds from an older tag too, answered by the same mirror", "[shop]") {
  if (!parts()) return;
  Shop shop;
  shop.edit("users/Dockerfile", "FROM python:3.11", "FROM python:3.7");
  shop.edit("slipway.yaml", "    docker.io/library/python:3.11: {image: python}",
            "    docker.io/library/python:3.7: {image: python}");
  const auto built = shop.slipway({"build", "users", "-o", "json"});
  INFO(built.err);
  REQUIRE(built.code == 0);
  CHECK(json::parse(built.out)["images"]["users"].get<std::string>().starts_with(
      "slipway.local/users@sha256:"));
}
