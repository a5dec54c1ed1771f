// The Swarm target when things go wrong on the way: killed, met by another, faults of the API, engines that
// are gone, swarms that cannot do what is asked.
#include <csignal>

#include "swarm/shop.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("a rollout to a swarm that is killed is brought to its end by the next one", "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  const std::string slow = "slow";
  for (const char* moment : {"deploy.test", "back 0/1", "back: 1 replica serves", "web 0/2"}) {
    INFO(moment);
    shop.spec(shop.services(slow, slow));
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    const bool said = live.says(moment);
    live.signal(SIGKILL);
    live.end();
    INFO(live.said());
    CHECK(said);
    const auto next = shop.good({"run"});
    INFO(next.err);
    CHECK(shop.behaviour("web") == slow);
    CHECK(shop.behaviour("back") == slow);
    const auto status = json::parse(shop.good({"status", "-o", "json"}).out);
    CHECK_FALSE(status.contains("rollout"));
    CHECK(contains(shop.good({"run"}).err, "nothing to do"));
    shop.spec(shop.services());
    shop.good({"run"});
  }

  INFO("interrupted, it puts back what was there; one at a time");
  shop.spec(shop.services(slow, slow));
  Live live(shop.user, {"run", "--progress", "plain"}, "shop");
  REQUIRE(live.says("back 0/1"));
  const auto second = shop.slipway({"deploy"});
  INFO(second.err);
  CHECK(second.code == 7);
  CHECK(contains(second.err, "another rollout of `shop test` is on its way"));
  live.signal(SIGINT);
  CHECK(live.end() == 130);
  INFO(live.said());
  CHECK(shop.behaviour("back") == "well");
  CHECK(shop.behaviour("web") == "well");
  CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));
}

TEST_CASE("faults on the way to a swarm are lived through", "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  int round = 0;
  for (
      const char* rules : {
          R"([{"on": "GET ", "times": 3, "do": "reset"}])",
          R"([{"on": "GET /v1.41/tasks", "times": 2, "do": "500"}, {"on": "POST .*/update", "do": "429"}])",
          R"([{"on": "POST .*/services/.*/update", "times": 2, "do": "late"}])",
          R"([{"on": "POST .*/services/.*/update", "times": 2, "do": "reset"}])",
          R"([{"on": "POST .*/configs/.*", "times": 2, "do": "late"}, {"on": "POST .*/configs/create", "times": 1, "do": "503"}])",
          R"([{"on": "POST .*/configs/.*", "times": 2, "do": "reset"}])",
      }) {
    INFO(rules);
    shop.host = shop.engine.break_by(rules);
    const auto wanted = fmt::format("round-{}", ++round);
    shop.spec(shop.services(wanted, wanted));
    const auto ran = shop.good({"run"});
    INFO(ran.err);
    CHECK(shop.behaviour("web") == wanted);
    CHECK(shop.behaviour("back") == wanted);
    CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));
    CHECK(contains(shop.good({"run"}).err, "nothing to do"));
  }
}

TEST_CASE("what cannot be reached or done on a swarm is told with its way out", "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  const auto told = [&](int code, const std::string& words, const std::string& what = "run") {
    INFO(words);
    const auto ran = shop.slipway({what});
    INFO(ran.err);
    CHECK(ran.code == code);
    CHECK(contains(ran.err, words));
  };
  // Known when the plan is made.
  const auto two = [&](const char* replicas) {
    return fmt::format(
        "  web: {{image: web, port: 8080, publish: 8081, replicas: {}, environment: {{BEHAVE: well}}}}\n",
        replicas);
  };
  shop.target = ", encrypted: false, publish_mode: host, endpoint_mode: dnsrr, update_order: start-first";
  shop.spec(two("1"));
  told(2, "`web` publishes port 8081 of its nodes, so that its next version cannot start before this one",
       "plan");
  shop.target = ", endpoint_mode: dnsrr";
  shop.spec(two("1"));
  told(2, "publishes port 8081 on every node, which needs its virtual address", "plan");
  shop.target = ", namespace: x";
  shop.spec(two("1"));
  told(2, "`namespace` is of `kubernetes`: this target is `swarm`", "check");
  shop.target = "";
  shop.spec("  web: {image: web, port: 8080, ingress: {host: x.example.com}}\n");
  told(2, "`web` has `ingress`, which a swarm does not have", "plan");

  // Known when the swarm is asked.
  shop.target = ", encrypted: false, publish_mode: host, endpoint_mode: dnsrr, stable: 1s, deadline: 4s";
  shop.spec(two("2"));
  told(2, "has 2 replicas, and 1 node of the swarm takes containers");
  CHECK(shop.ours("service") == 0);
  shop.engine.docker({"service", "create", "--detach", "--no-resolve-image", "--name", "theirs", "--publish",
                      "mode=host,published=8081,target=1", "nothing:1"});
  shop.spec(two("1"));
  told(7, "`web` publishes port 8081, which the service `theirs` of this swarm has");
  shop.engine.docker({"service", "rm", "theirs"});
  shop.spec("  web: {image: web, port: 8080, resources: {requests: {cpu: \"64\"}}}\n");
  told(4, "it does not serve within 4.0s: waits for no suitable node (insufficient resources on 1 node)");
  CHECK(shop.ours("service") == 0);

  // Not there.
  shop.spec(two("1"));
  shop.good({"push"});
  shop.engine.docker({"swarm", "leave", "--force"});
  told(6, "is no manager of a swarm");
  shop.engine.freeze(true);
  told(6, "does not answer", "status");
  shop.engine.freeze(false);
  shop.engine.stop();
  told(6, "start the Docker Engine there, or say where it is");
  shop.host = "ssh://-oProxyCommand=touch/x";
  shop.spec(two("1"));
  told(2, "names no host that ssh could take", "status");
}
