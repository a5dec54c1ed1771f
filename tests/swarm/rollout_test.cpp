// The Swarm target against a real engine: releases as a user brings them out, looks at them and takes them
// back; the docker command checks from outside what slipway did.
#include "swarm/shop.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("a release comes out on a swarm, and again with nothing to do, then a change, a rollback, the end",
          "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services());
  const auto first = shop.good({"run"});
  INFO(first.err);
  CHECK(contains(first.err, "web: 2 replicas serve"));

  const auto web = shop.service("web");
  const auto container = shop.container("web");
  const auto image = container.at("Image").get<std::string>();
  CHECK(contains(image, shop.registry.host() + "/shop/web@sha256:"));
  CHECK(shop.running("web").size() == 2);
  CHECK(web.at("/Spec/UpdateConfig/Order"_json_pointer) == "start-first");
  CHECK(web.at("/Spec/EndpointSpec/Mode"_json_pointer) == "dnsrr");
  // The secret is a variable inside, and stands nowhere outside.
  const auto inside = shop.engine.docker(
      {"exec", *shop.running("web").begin(), "/bin/sh", "-c", "busybox tr '\\0' '\\n' </proc/1/environ"});
  CHECK(contains(inside, "PASSWORD=s3cret'value\n"));
  CHECK_FALSE(contains(web.dump(), "s3cret"));
  for (const auto& name : shop.names("config"))
    CHECK_FALSE(contains(shop.inspect("config", name).dump(), "s3cret"));
  CHECK(contains(shop.good({"render"}).out, "Data: \"***\""));
  // By its name, from another service.
  CHECK(
      contains(shop.engine.docker({"exec", *shop.running("back").begin(), "/bin/busybox", "nslookup", "web"}),
               "Address: 10."));

  const auto again = shop.good({"run"});
  CHECK(contains(again.err, "nothing to do: 3 replicas of 2 services"));
  CHECK(shop.service("web").at("Version") == web.at("Version"));
  CHECK(contains(shop.good({"plan"}).out, "all run as they should"));

  shop.page("two");
  shop.good({"run"});
  const auto changed = shop.container("web").at("Image").get<std::string>();
  CHECK(changed != image);
  const auto status = json::parse(shop.good({"status", "-o", "json"}).out);
  CHECK(status.at("release") == "r2");
  REQUIRE(status.at("services").size() == 2);
  for (const auto& service : status.at("services")) {
    INFO(service.dump());
    CHECK(service.at("ready") == service.at("wanted"));
    CHECK_FALSE(service.contains("why"));
    CHECK_FALSE(service.contains("drift"));
  }
  CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));
  const auto logs = shop.good({"logs", "web"});
  INFO(logs.out);
  CHECK(contains(logs.out, "web.1 | serving well\n"));
  CHECK(contains(logs.out, "web.2 | serving well\n"));
  CHECK_FALSE(contains(logs.out, "back."));
  CHECK(shop.slipway({"logs", "wbe"}).code == 2);
  Live following(shop.user, {"logs", "-f", "web"}, "shop");
  CHECK(following.says("web.2 | serving well"));
  following.signal(SIGINT);
  CHECK(following.end() == 130);

  CHECK(contains(shop.good({"rollback"}).out, "r1 serves again, as release r3"));
  CHECK(shop.container("web").at("Image") == image);
  CHECK(contains(shop.good({"rollback", "r1"}).out, "nothing to do"));

  CHECK(contains(shop.good({"down"}).out, "3 replicas stopped"));
  for (const char* kind : {"service", "network", "secret", "config", "volume"}) {
    INFO(kind);
    CHECK(shop.ours(kind) == 0);
  }
  CHECK(contains(shop.good({"status"}).out, "nothing runs"));
}

TEST_CASE("what does not become healthy on a swarm is taken back whole, with the reason on the screen",
          "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  const auto before = shop.running("web");
  struct Case {
    const char *behaviour, *why, *evidence;
  };
  for (const auto& [behaviour, why, evidence] :
       {Case{"crash", "it ends again and again: exit 3", "last words"},
        Case{"sick", "its healthcheck does not pass", "its healthcheck: exit 1"}}) {
    INFO(behaviour);
    // `back` changes too, and comes first: it goes back with the release.
    shop.spec(shop.services(behaviour, "other"));
    const auto ran = shop.slipway({"run"});
    INFO(ran.err);
    CHECK(ran.code == 4);
    CHECK(contains(ran.err, why));
    CHECK(contains(ran.err, evidence));
    CHECK(contains(ran.err, "all services are as before: release r1 serves"));
    CHECK(shop.behaviour("web") == "well");
    CHECK(shop.behaviour("back") == "well");
    // The old ones never stopped.
    CHECK(shop.running("web") == before);
    CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));
  }

  INFO("an image whose layer the registry has lost");
  shop.spec(shop.services());
  shop.page("lost");
  const auto blobs = shop.registry.blob(std::string(64, '0')).parent_path().parent_path().parent_path();
  const auto layers = [&] {
    std::set<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(blobs))
      if (entry.path().filename() == "data" && read_file(entry.path()).starts_with("\x1f\x8b"))
        out.insert(entry.path());
    return out;
  };
  const auto known = layers();
  shop.good({"push"});
  int lost = 0;
  for (const auto& layer : layers())
    if (!known.contains(layer)) lost += fs::remove(layer);
  REQUIRE(lost == 1);
  const auto ran = shop.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 4);
  CHECK(contains(ran.err, "the image cannot be pulled: No such image"));
  CHECK(shop.running("web") == before);
}

TEST_CASE("one bad start on a swarm is no failure, and a first release that fails leaves nothing running",
          "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services("crash"));
  const auto ran = shop.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 4);
  CHECK(contains(ran.err, "this was the first release: nothing is left running"));
  CHECK(shop.ours("service") == 0);
  CHECK(shop.ours("network") == 0);
  CHECK(shop.ours("secret") == 0);

  // Its mark of the first start is in a volume.
  shop.spec(shop.services("well", "flap", ", volumes: [\"mark:/data\"]"));
  shop.good({"run"});
  CHECK(shop.behaviour("back") == "flap");
  CHECK(shop.service("back").at("/Spec/UpdateConfig/Order"_json_pointer) == "stop-first");
  CHECK(contains(shop.container("back").dump(), "shop-test-mark"));
  CHECK(contains(shop.good({"down"}).out, "kept: volume shop-test-mark"));
  CHECK(shop.ours("volume") == 1);
  shop.good({"run"});
  shop.good({"down", "--volumes", "--yes"});
  CHECK(shop.ours("volume") == 0);
}

TEST_CASE("what others made or changed on a swarm: foreign is never touched, drift is seen, what left goes",
          "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services());
  shop.good({"push"});
  shop.engine.docker({"service", "create", "--detach", "--no-resolve-image", "--name", "shop-test-back",
                      "--label", "mine=yes", "nothing:1"});
  const auto foreign = shop.slipway({"run"});
  INFO(foreign.err);
  CHECK(foreign.code == 7);
  CHECK(contains(foreign.err, "the service `shop-test-back` is there already and not of `shop test`"));
  CHECK(shop.service("back").at("/Spec/Labels/mine"_json_pointer) == "yes");
  CHECK(shop.ours("service") == 1);
  shop.engine.docker({"service", "rm", "shop-test-back"});
  shop.good({"run"});

  shop.engine.docker(
      {"service", "create", "--detach", "--no-resolve-image", "--name", "theirs", "nothing:1"});
  shop.engine.docker({"service", "update", "--detach", "--env-add", "BEHAVE=mine", "shop-test-back"});
  shop.engine.docker({"service", "scale", "--detach", "shop-test-web=1"});
  const auto drifted = json::parse(shop.good({"status", "-o", "json"}).out);
  for (const auto& service : drifted.at("services"))
    CHECK(service.value("drift", "") == "it was changed since the rollout");
  CHECK(contains(shop.good({"plan"}).out, "back: the service shop-test-back was changed by somebody else"));
  shop.good({"run"});
  CHECK(shop.behaviour("back") == "well");
  CHECK(shop.running("web").size() == 2);

  // Without `web`: it goes with what only it had, once no release that is kept has it.
  shop.spec("  back: {image: web, port: 8080, environment: {BEHAVE: well}, stop_grace_period: 1s}\n");
  const auto pruned = shop.good({"run"});
  INFO(pruned.err);
  CHECK(contains(pruned.err, "web: no longer part of the release, removed"));
  CHECK(shop.names("service").size() == 2);
  CHECK(shop.ours("secret") == 1);
  shop.good({"rollback"});
  CHECK(eventually([&] { return shop.running("web").size() == 2; }));
  shop.good({"down"});
  CHECK(shop.names("service") == std::vector<std::string>{"theirs"});
}
