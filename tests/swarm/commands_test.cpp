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
