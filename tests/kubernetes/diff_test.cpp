// What would change in a cluster, told before; and what did change, told after.
#include <catch2/catch.hpp>
#include <chrono>

#include "support/kube_shop.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

TEST_CASE(
    "a diff tells field by field what a rollout would change, whose fields it would meet, and no secret",
    "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services());
  CHECK(contains(shop.slipway({"diff"}).err, "the images are not known yet"));
  shop.good({"push"});
  const auto fresh = shop.good({"diff"}).out;
  INFO(fresh);
  CHECK(contains(fresh, "+ deployment/web\n"));
  CHECK(contains(fresh, "    + spec.template.spec.containers[web].env[BEHAVE].value: well\n"));
  CHECK(contains(fresh, "data.PASSWORD: (secret)"));
  CHECK_FALSE(contains(fresh, "s3cret"));
  CHECK_FALSE(contains(fresh, "czNjcmV0"));
  CHECK(contains(fresh, " new · nothing was executed"));
  CHECK(shop.count("deployments") == 0);
  CHECK(shop.slipway({"diff", "--exit-code"}).code == 10);

  shop.good({"run"});
  CHECK(shop.good({"diff", "--exit-code"}).out == "shop → test: no difference · nothing was executed\n");
  const auto version = shop.get("deployment/web").at("/metadata/resourceVersion"_json_pointer);

  // A change, a new value of a secret, and a service that is gone.
  shop.user.write("shop/secret", "another-value");
  shop.spec(
      "  web: {image: web, port: 8080, replicas: 3, environment: {BEHAVE: well, PASSWORD: {secret: key}},\n"
      "        healthcheck: {http: /ok, retries: 3, interval: 1s, timeout: 1s}}\n");
  const auto changed = shop.good({"diff"}).out;
  INFO(changed);
  CHECK(contains(changed, "~ deployment/web\n"));
  CHECK(contains(changed, "    spec.replicas: 2 → 3\n"));
  CHECK(contains(changed, "env[PASSWORD].valueFrom.secretKeyRef.name: web-"));
  CHECK(contains(changed, "- deployment/back\n"));
  CHECK(contains(changed, "- service/back\n"));
  CHECK_FALSE(contains(changed, "another-value"));
  const auto only = shop.good({"diff", "web", "-o", "json"}).out;
  const auto told = json::parse(only);
  CHECK(told.at("changes") == true);
  CHECK(told.at("namespace") == "shop");
  for (const auto& object : told.at("objects")) CHECK(object.at("service") == "web");
  CHECK_FALSE(contains(only, "deployment/back"));
  const auto unknown = shop.slipway({"diff", "wep"});
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "did you mean `web`?"));
  CHECK(shop.get("deployment/web").at("/metadata/resourceVersion"_json_pointer) == version);

  // Somebody else's hand: drift, in diff and in status; a field that is not named stays theirs.
  shop.user.write("shop/secret", "s3cret-value");
  shop.spec(shop.services());
  shop.cluster.kubectl({"set", "env", "deployment/back", "-n", "shop", "BEHAVE=mine"});
  shop.cluster.kubectl({"patch", "service", "web", "-n", "shop", "--type=json", "-p",
                        R"([{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 1}])"});
  shop.cluster.kubectl({"delete", "pdb", "web", "-n", "shop"});
  const auto drift = shop.good({"diff"}).out;
  INFO(drift);
  CHECK(contains(drift, "~ deployment/back  changed by somebody else since the rollout\n"));
  CHECK(contains(drift, "containers[back].env[BEHAVE].value: mine → well\n"));
  CHECK(contains(drift, "[name=\"BEHAVE\"].value was set by kubectl"));
  CHECK(contains(drift, "spec.ports[port-8080].targetPort: 1 → 8080\n"));
  CHECK(contains(drift, "+ poddisruptionbudget/web  removed by somebody else since the rollout\n"));
  const auto status = shop.good({"status"}).out;
  INFO(status);
  CHECK(contains(status, "it was changed since the rollout"));
  CHECK(contains(status, "service/web was changed since the rollout"));
  shop.cluster.kubectl({"scale", "deployment/back", "-n", "shop", "--replicas=2"});
  shop.target = ", take_over: [spec.replicas]";
  shop.spec(shop.services("well", "more"));
  const auto refused = shop.slipway({"run"});
  INFO(refused.err);
  CHECK(refused.code == 7);
  CHECK(contains(refused.err, "env[name=\"BEHAVE\"].value"));
  CHECK(shop.behaviour("back") == "mine");
  CHECK(shop.get("deployment/web").at("/metadata/resourceVersion"_json_pointer) == version);

  // One who may only look is told what a diff needs.
  auto role = shop.cluster.kubectl({"get", "role", "slipway", "-n", "shop", "-o", "json"});
  auto reader = json::parse(role);
  for (auto& rule : reader["rules"]) rule["verbs"] = {"get", "list", "watch"};
  reader["metadata"] = {{"name", "slipway"}, {"namespace", "shop"}};
  shop.cluster.kubectl({"replace", "-f", "-"}, reader.dump());
  Ran looked;
  CHECK(eventually([&] { return (looked = shop.slipway({"diff"})).code == 3; }));
  INFO(looked.err);
  CHECK(contains(looked.err, "cannot patch resource"));
  CHECK(contains(looked.err, "verbs: [\"patch\"]"));
  CHECK(contains(looked.err, "a diff asks the cluster what it would make of each object"));
}

TEST_CASE("releases tell what each one changed, which one serves, and which ones failed", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services());
  CHECK(contains(shop.good({"releases"}).out, "shop test: no release yet"));
  shop.good({"run"});
  shop.user.write("shop/web/page", "two");
  shop.good({"run"});
  shop.spec(shop.services("crash"));
  CHECK(shop.slipway({"run"}).code == 4);
  shop.spec(shop.services());
  shop.good({"rollback"});
  const auto text = shop.good({"releases"}).out;
  INFO(text);
  const auto told = json::parse(shop.good({"releases", "-o", "json"}).out);
  CHECK(told.at("release") == "r4");
  const auto& releases = told.at("releases");
  REQUIRE(releases.size() == 4);
  const auto& back = releases.at(0);
  CHECK(back.at("id") == "r4");
  CHECK(back.at("current") == true);
  CHECK(back.at("rollback_of") == "r1");
  CHECK(releases.at(1).at("state") == "failed");
  CHECK(releases.at(1).at("changed").empty());
  CHECK(releases.at(2).at("changed").size() == 2);
  const auto& first = releases.at(3);
  CHECK(first.at("changed").at(0).at("before").is_null());
  CHECK(back.at("changed").at(0).at("image") == first.at("changed").at(0).at("image"));
  CHECK(contains(text, "* r4  good "));
  CHECK(contains(text, "(back to r1)"));
  CHECK(contains(text, "  r3  failed "));
  CHECK(contains(text, "settings"));
  CHECK(contains(text, " → "));
}

TEST_CASE("the diff of a thousand objects takes at most two seconds, and changed ones no longer than kubectl",
          "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  const std::string front =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec:\n  selector: {matchLabels: "
      "{app: f}}\n"
      "  template:\n    metadata: {labels: {app: f}}\n    spec: {containers: [{name: web, image: web}]}\n";
  const auto settings = [](int count, int value) {
    std::string out;
    for (int i = 0; i < count; ++i)
      out += fmt::format(
          "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c-{}}}\ndata: {{a: \"{}\"}}\n", i, value);
    return out;
  };
  shop.user.write("shop/k8s/all.yaml", front + settings(999, 1));
  shop.spec("  web: {image: web, manifests: k8s/*.yaml}\n");
  shop.good({"run"});
  const auto timed = [](const auto& what) {
    const auto begin = std::chrono::steady_clock::now();
    what();
    return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto diff = [&](const std::string& summary) {
    return timed([&] { CHECK(contains(shop.good({"diff"}).out, summary)); });
  };
  const auto same = diff("no difference");
  shop.user.write("shop/k8s/all.yaml", front + settings(999, 2));
  const auto all = diff("999 changed");
  const auto tenth = timed([&] {
    shop.cluster.kubectl(
        {"apply", "-n", "shop", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"},
        settings(100, 2));
  });
  WARN("a diff of 1,000 objects: " << same << " ms unchanged, " << all
                                   << " ms when 999 changed; kubectl asks about 100 "
                                   << "in " << tenth << " ms");
  CHECK(same <= 2'000);
  CHECK(all <= std::max<std::int64_t>(2'000, tenth * 10));
}
