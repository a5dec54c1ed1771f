// How a new version takes the place of the old one on a cluster: rolling, recreate, blue-green, canary;
// checked, promoted and aborted, by rule and by hand.
#include <catch2/catch.hpp>
#include <csignal>

#include "support/http_server.h"
#include "support/kube_shop.h"
#include "support/live.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

// One service whose versions differ in BEHAVE; kubectl sees them in the pods.
std::string web(const std::string& behave, int replicas = 4, const std::string& more = "") {
  return fmt::format("  web: {{image: web, port: 8080, replicas: {}, environment: {{BEHAVE: \"{}\"}}{}}}\n",
                     replicas, behave, more);
}

std::string behaviour_of(const json& pod) {
  return pod.at("/spec/containers/0/env/0/value"_json_pointer).get<std::string>();
}

// "v1: 4, v2: 1": pods by their BEHAVE that the Service sends requests to now.
std::string served(const KubeShop& shop) {
  std::map<std::string, std::string> pods;
  const auto list = shop.get("pods");
  for (const auto& pod : list.at("items"))
    pods[pod.at("/metadata/name"_json_pointer).get<std::string>()] = behaviour_of(pod);
  std::map<std::string, int> counts;
  const auto endpoints = shop.get("endpoints/web");
  for (const auto& subset : endpoints.value("subsets", json::array()))
    for (const auto& address : subset.value("addresses", json::array()))
      ++counts[pods[address.at("/targetRef/name"_json_pointer).get<std::string>()]];
  std::string out;
  for (const auto& [behaviour, count] : counts)
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", behaviour, count);
  return out;
}

// Waits for it; what was there instead is in the message.
void check_served(const KubeShop& shop, const std::string& wanted) {
  eventually([&] { return served(shop) == wanted; });
  CHECK(served(shop) == wanted);
}

bool there(const KubeShop& shop, const std::string& deployment) {
  const auto list = shop.get("deployments");
  for (const auto& one : list.at("items"))
    if (one.at("/metadata/name"_json_pointer) == deployment) return true;
  return false;
}

}  // namespace

TEST_CASE("a canary gets its share step by step, and goes on or back as people say", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.environment =
      ", strategy: {web: {canary: {steps: [{weight: 20%, hold: manual}, {weight: 80%, hold: 500ms}]}}}";
  shop.spec(web("v1"));
  const auto first = shop.good({"run"});
  INFO(first.err);
  CHECK_FALSE(contains(first.err, "canary"));
  CHECK(served(shop) == "v1: 4");
  CHECK(contains(shop.slipway({"promote"}).err, "no rollout of `shop test` is on its way"));

  shop.spec(web("v2"));
  CHECK(contains(shop.good({"plan"}).out, "web: "));
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    const bool waits = live.says("step 1 of 2, 20%: waits for you");
    INFO(live.said());
    REQUIRE(waits);
    CHECK(contains(live.said(), "1 of 5 pods are new (20% of the requests)"));
    check_served(shop, "v1: 4, v2: 1");
    CHECK(contains(shop.good({"status"}).out, "is on its way: canary of `web`: step 1 of 2, 20%"));
    const auto other = shop.slipway({"run"});
    CHECK(other.code == 7);
    CHECK(contains(shop.good({"promote"}).out, "is promoted: canary of `web`: step 1 of 2, 20%"));
    const bool second = live.says("step 2 of 2, 80%: 4 of 5 pods are new");
    const int code = live.end();
    INFO(live.said());
    CHECK(second);
    CHECK(code == 0);
    CHECK(contains(live.said(), "promoted by "));
  }
  check_served(shop, "v2: 4");
  CHECK_FALSE(there(shop, "web-canary"));
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));

  INFO("aborted by hand");
  shop.spec(web("v3"));
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    REQUIRE(live.says("waits for you"));
    CHECK(contains(shop.good({"abort", "--why", "the colours are wrong"}).out, "goes back"));
    const int code = live.end();
    INFO(live.said());
    CHECK(code == 4);
    CHECK(contains(live.said(), "aborted it: the colours are wrong"));
    CHECK(contains(live.said(), "all services are as before: release r2 serves"));
  }
  check_served(shop, "v2: 4");
  CHECK_FALSE(there(shop, "web-canary"));

  INFO("killed in the middle: taken back by hand, or brought out by the next run");
  for (const bool back : {true, false}) {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    REQUIRE(live.says("waits for you"));
    live.signal(SIGKILL);
    live.end();
    if (back) {
      CHECK(contains(shop.slipway({"promote"}).err, "was cut off: nobody is there to go on"));
      const auto aborted = shop.good({"abort"});
      CHECK(contains(aborted.out, "is taken back"));
      check_served(shop, "v2: 4");
    } else {
      shop.environment.clear();
      shop.spec(web("v3"));
      shop.good({"run"});
      check_served(shop, "v3: 4");
    }
    CHECK_FALSE(there(shop, "web-canary"));
  }
}

TEST_CASE("a canary is aborted by what its checks see, and pauses while they see nothing", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  std::atomic<double> errors{0.01};
  std::atomic<bool> data{true};
  HttpServer prometheus([&](const Asked& asked) -> std::optional<Reply> {
    Reply reply;
    reply.headers["Content-Type"] = "application/json";
    const json value = {{"metric", json::object()},
                        {"value", {1, data ? fmt::format("{}", errors.load()) : "NaN"}}};
    reply.status = contains(asked.target, "errors%7Bworkload%3D%22web-canary%22%7D") ? 200 : 400;
    reply.body =
        json({{"status", "success"}, {"data", {{"resultType", "vector"}, {"result", {value}}}}}).dump();
    return reply;
  });
  shop.target = ", prometheus: \"http://" + prometheus.host() + "\"";
  const auto strategy = [&](const std::string& check) {
    shop.environment =
        ", strategy: {canary: {steps: [{weight: 50%, hold: 3s}], abort_when: [" + check + "]}}";
  };
  strategy("{prometheus: 'errors{workload=\"{{canary}}\"}', above: 0.02, interval: 100ms}");
  shop.spec(web("v1", 2));
  shop.good({"run"});
  shop.spec(web("v2", 2));
  const auto fine = shop.good({"run"});
  INFO(fine.err);
  CHECK(contains(fine.err, "2 of 4 pods are new (50% of the requests)"));
  CHECK(prometheus.asked().size() > 2);

  errors = 0.5;
  shop.spec(web("v3", 2));
  const auto bad = shop.slipway({"run"});
  INFO(bad.err);
  CHECK(bad.code == 4);
  CHECK(contains(bad.err, "0.5 is above 0.02"));
  check_served(shop, "v2: 2");

  errors = 0.01;
  data = false;
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    const bool paused =
        live.says("the query has no data; `slipway promote` goes on, `slipway abort` goes back");
    INFO(live.said());
    REQUIRE(paused);
    CHECK(served(shop) == "v2: 2, v3: 2");
    data = true;
    CHECK(live.end() == 0);
  }
  check_served(shop, "v3: 2");

  INFO("a command decides");
  strategy(
      "{command: [sh, -c, \"echo the basket is empty; exit $(cat verdict)\"], failures: 2, interval: 100ms}");
  shop.user.write("shop/verdict", "1");
  shop.spec(web("v4", 2));
  const auto refused = shop.slipway({"run"});
  INFO(refused.err);
  CHECK(refused.code == 4);
  CHECK(contains(refused.err, "fails 2 times in a row: exit 1: the basket is empty"));
  shop.user.write("shop/verdict", "75");
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    REQUIRE(live.says("paused, "));
    shop.good({"promote", "--all"});
    CHECK(live.end() == 0);
  }

  INFO("a canary that crashes needs no check");
  shop.user.write("shop/verdict", "0");
  shop.spec(web("crash", 2));
  const auto crashed = shop.slipway({"run"});
  INFO(crashed.err);
  CHECK(crashed.code == 4);
  CHECK(contains(crashed.err, "it ends again and again: exit 3"));
  check_served(shop, "v4: 2");
}

TEST_CASE("blue and green take turns, and who is not healthy or not good gets no request", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(web("v1", 2));
  shop.good({"run"});
  shop.environment =
      ", strategy: {web: {blue_green: {preview: true, checks: [{command: [test, -e, good], interval: 100ms, "
      "failures: 3}]}}}";
  shop.spec(web("v2", 2));
  const auto bad = shop.slipway({"run"});
  INFO(bad.err);
  CHECK(bad.code == 4);
  CHECK(contains(bad.err, "`test -e good` fails 3 times in a row"));
  check_served(shop, "v1: 2");
  CHECK_FALSE(shop.get("service/web").at("/spec/selector"_json_pointer).contains("pod-template-hash"));
  CHECK_FALSE(there(shop, "web-blue"));

  shop.user.write("shop/good", "");
  const auto blue = shop.good({"run"});
  INFO(blue.err);
  CHECK(contains(blue.err, "web: requests go to blue now"));
  check_served(shop, "v2: 2");
  CHECK(eventually([&] { return !there(shop, "web"); }));
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));
  CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));

  INFO("only more pods: no second colour");
  shop.spec(web("v2", 3));
  shop.good({"run"});
  check_served(shop, "v2: 3");
  CHECK(there(shop, "web-blue"));

  INFO("held before the switch, with a Service for a look, and the old one kept after it");
  shop.environment = ", strategy: {web: {blue_green: {preview: true, manual: true, keep_old: 30m}}}";
  shop.spec(web("v3", 2));
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    const bool holds = live.says("green is checked: waits for you");
    INFO(live.said());
    REQUIRE(holds);
    CHECK(served(shop) == "v2: 3");
    CHECK(shop.get("service/web-preview").at("/spec/selector/slipway.dev~1color"_json_pointer) == "green");
    shop.good({"promote"});
    REQUIRE(live.says("requests go to green now"));
    check_served(shop, "v3: 2");
    CHECK(there(shop, "web-blue"));
    CHECK(eventually([&] { return contains(shop.good({"status"}).out, "blue is kept"); }));
    shop.good({"abort"});
    CHECK(live.end() == 4);
  }
  check_served(shop, "v2: 3");
  CHECK_FALSE(there(shop, "web-green"));
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    REQUIRE(live.says("waits for you"));
    shop.good({"promote", "--all"});
    CHECK(live.end() == 0);
  }
  check_served(shop, "v3: 2");
  CHECK(eventually([&] { return !there(shop, "web-blue"); }));
  CHECK(shop.get("services").at("items").size() == 1);

  INFO("an earlier release takes the other colour, unasked");
  CHECK(contains(shop.good({"rollback"}).out, "serves again"));
  check_served(shop, "v2: 3");
  CHECK(eventually([&] { return there(shop, "web-blue"); }));

  INFO("killed while blue and green are there");
  shop.spec(web("v4", 2));
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    REQUIRE(live.says("waits for you"));
    live.signal(SIGKILL);
    live.end();
  }
  shop.environment.clear();
  shop.spec(web("v5", 2));
  shop.good({"run"});
  check_served(shop, "v5: 2");
  CHECK(eventually([&] { return there(shop, "web"); }));
  CHECK(shop.count("deployments") == 1);
}

TEST_CASE("rolling takes its numbers, recreate lets the old ones end first", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.environment = ", strategy: {web: {rolling: {max_surge: 50%, max_unavailable: 1}}}";
  shop.spec(web("v1", 2));
  shop.good({"run"});
  const auto rolling = shop.get("deployment/web").at("/spec/strategy"_json_pointer);
  CHECK(rolling.at("/rollingUpdate/maxSurge"_json_pointer) == "50%");
  CHECK(rolling.at("/rollingUpdate/maxUnavailable"_json_pointer) == 1);
  shop.environment = ", strategy: recreate";
  shop.spec(web("v2", 2));
  shop.good({"run"});
  CHECK(shop.get("deployment/web").at("/spec/strategy"_json_pointer) == json({{"type", "Recreate"}}));
  check_served(shop, "v2: 2");
  shop.environment = ", strategy: blue_green";
  shop.spec("  web: {image: web, port: 8080, volumes: [\"data:/data\"]}\n");
  shop.good({"render"});
  shop.environment = ", strategy: {web: blue_green}";
  shop.spec("  web: {image: web, port: 8080, volumes: [\"data:/data\"]}\n");
  const auto data = shop.slipway({"render"});
  CHECK(data.code == 2);
  CHECK(contains(data.err, "`web` keeps data: it is replaced one pod after the other"));
}

TEST_CASE("a canary's requests are shared by an Ingress with weights", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.environment = ", strategy: {canary: {traffic: routes, steps: [{weight: 10%, hold: manual}]}}";
  const std::string more = ", ingress: {host: shop.example.com, path: /}";
  shop.spec(web("v1", 2, more));
  shop.good({"run"});
  shop.spec(web("v2", 2, more));
  {
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    const bool waits = live.says("waits for you");
    INFO(live.said());
    REQUIRE(waits);
    CHECK(contains(live.said(), "10% of its requests go to 1 new pod"));
    const auto ingress = shop.get("ingress/web-canary");
    CHECK(ingress.at("/metadata/annotations/nginx.ingress.kubernetes.io~1canary"_json_pointer) == "true");
    CHECK(ingress.at("/metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight"_json_pointer) ==
          "10");
    CHECK(ingress.at("/spec/rules/0/http/paths/0/backend/service/name"_json_pointer) == "web-canary");
    CHECK(served(shop) == "v1: 2");
    shop.good({"promote"});
    CHECK(live.end() == 0);
  }
  check_served(shop, "v2: 2");
  CHECK(shop.get("ingresses").at("items").size() == 1);
  CHECK(shop.get("services").at("items").size() == 1);

  shop.spec(web("v3", 2));
  const auto none = shop.slipway({"run"});
  INFO(none.err);
  CHECK(none.code == 2);
  CHECK(contains(none.err, "it has no Ingress and no HTTPRoute"));
  check_served(shop, "v2: 2");
}
