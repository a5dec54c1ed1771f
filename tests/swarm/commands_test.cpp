// Commands before and after a rollout on a swarm, and images that an engine builds.
#include "swarm/shop.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("commands run once in each release on a swarm, with the service's environment, their lines shown",
          "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  const auto spec = [&](const std::string& word, const std::string& before) {
    shop.spec(fmt::format(
        "  web: {{image: web, port: 8080, environment: {{BEHAVE: {}, PASSWORD: {{secret: key}}}}, "
        "stop_grace_period: 1s,\n    before: {{run: \"{}\", timeout: 20s}}, after: {{run: \"echo after "
        "$BEHAVE\"}}}}\n",
        word, before));
  };
  spec("one", "echo migrating $BEHAVE with $PASSWORD");
  const auto first = shop.good({"run"});
  INFO(first.err);
  CHECK(contains(first.err, "web before | migrating one with ***"));
  CHECK(contains(first.err, "web after | after one"));
  CHECK(shop.ours("service") == 1);
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));

  spec("two", "echo cannot; exit 5");
  const auto failed = shop.slipway({"run"});
  INFO(failed.err);
  CHECK(failed.code == 4);
  CHECK(contains(failed.err, "its command before the rollout failed: exit 5"));
  CHECK(contains(failed.err, "web before | cannot"));
  CHECK(shop.behaviour("web") == "one");
  CHECK(shop.ours("service") == 1);

  spec("three", "echo changed");
  shop.good({"run"});
  const auto back = shop.good({"rollback"});
  CHECK_FALSE(contains(back.out + back.err, "migrating"));
  CHECK(shop.behaviour("web") == "one");
}

TEST_CASE("an image that a Docker Engine builds is pushed and rolled out as any other", "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.user.write("shop/web/.dockerignore", "secret*\n");
  shop.user.write("shop/web/secret.txt", "not for the image");
  const auto write = [&](const std::string& dockerfile) {
    shop.user.write("shop/web/Dockerfile", dockerfile);
    shop.user.write("shop/slipway.yaml",
                    fmt::format(R"(version: 1
name: shop
registry: {{url: "{}/shop"}}
images: {{web: {{uses: docker, context: web, with: {{host: "{}"}}, args: {{WORD: built}}, labels: {{made: here}}}}}}
services: {{web: {{image: web, port: 8080, environment: {{BEHAVE: well}}, stop_grace_period: 1s}}}}
environments:
  test: {{target: {{kind: swarm, host: "{}"{}}}}}
)",
                                shop.registry.host(), shop.host, shop.host, shop.target));
  };
  const std::string base =
      "FROM scratch AS base\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nFROM base\nARG WORD\nCOPY . "
      "/src\nCOPY serve "
      "/serve\nRUN /bin/busybox mkdir /www && echo $WORD >/www/ok && /bin/busybox ls /src >/www/list\n";
  write(base + "CMD [\"/serve\"]\n");
  const auto first = shop.good({"run"});
  INFO(first.err);
  const auto id = *shop.running("web").begin();
  CHECK(shop.engine.docker({"exec", id, "/bin/busybox", "cat", "/www/ok"}) == "built\n");
  CHECK_FALSE(contains(shop.engine.docker({"exec", id, "/bin/busybox", "cat", "/www/list"}), "secret.txt"));
  CHECK(shop.inspect("container", id).at("/Config/Labels/made"_json_pointer) == "here");
  const auto again = shop.good({"run"});
  INFO(again.err);
  CHECK(contains(again.err, "nothing to do"));
  // Answered with 200, and then it fails.
  write(base + "RUN echo so far && exit 7\n");
  const auto failed = shop.slipway({"build"});
  INFO(failed.err);
  CHECK(failed.code == 1);
  CHECK(contains(failed.err, "returned a non-zero code: 7"));
  CHECK(contains(failed.err, "so far"));
  write("FORM scratch\n");
  const auto wrong = shop.slipway({"build"});
  INFO(wrong.err);
  CHECK(wrong.code == 1);
  CHECK(contains(wrong.err, "unknown instruction: FORM"));
}
