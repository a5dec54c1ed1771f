// The Kubernetes target against a real control plane: releases as a user brings them out, looks at them and
// takes them back; kubectl checks from outside what slipway did.
#include <catch2/catch.hpp>
#include <csignal>

#include "base/error.h"

#include "support/kube_shop.h"
#include "support/live.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

TEST_CASE(
    "a release comes out on a cluster, and again with nothing to do, then a change, a rollback, the end",
    "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services());
  const auto first = shop.good({"run"});
  INFO(first.err);
  CHECK(contains(first.err, "web: 2 replicas serve"));

  const auto web = shop.get("deployment/web");
  CHECK(web.at("/status/availableReplicas"_json_pointer) == 2);
  const auto image = web.at("/spec/template/spec/containers/0/image"_json_pointer).get<std::string>();
  CHECK(contains(image, shop.registry.host() + "/shop/web@sha256:"));
  const auto& container = web.at("/spec/template/spec/containers/0"_json_pointer);
  CHECK(container.at("/securityContext/allowPrivilegeEscalation"_json_pointer) == false);
  CHECK(container.at("/securityContext/capabilities/drop"_json_pointer) == json({"ALL"}));
  CHECK(web.at("/spec/template/spec/securityContext/runAsNonRoot"_json_pointer) == true);
  CHECK(container.at("/readinessProbe/httpGet/path"_json_pointer) == "/ok");
  CHECK(container.contains("/resources/limits/memory"_json_pointer));
  CHECK(web.at("/metadata/managedFields/0/manager"_json_pointer) == "slipway");
  CHECK(shop.get("service/web").at("/spec/ports/0/port"_json_pointer) == 8080);
  CHECK(shop.get("pdb/web").at("/spec/maxUnavailable"_json_pointer) == 1);

  const auto again = shop.good({"run"});
  CHECK(contains(again.err, "nothing to do"));
  CHECK(shop.get("deployment/web").at("/metadata/resourceVersion"_json_pointer) ==
        web.at("/metadata/resourceVersion"_json_pointer));

  shop.user.write("shop/web/page", "two");
  const auto plan = shop.good({"plan"});
  INFO(plan.out);
  const auto second = shop.good({"run"});
  const auto changed =
      shop.get("deployment/web").at("/spec/template/spec/containers/0/image"_json_pointer).get<std::string>();
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

  CHECK(contains(shop.good({"rollback"}).out, "r1 serves again, as release r3"));
  CHECK(shop.get("deployment/web").at("/spec/template/spec/containers/0/image"_json_pointer) == image);
  const auto to_itself = shop.good({"rollback", "r1"});
  CHECK(contains(to_itself.out, "nothing to do"));

  shop.good({"down"});
  for (const char* kind : {"deployments", "services", "pdb", "configmaps"}) {
    INFO(kind);
    // The cluster's own: every namespace has a ConfigMap with the CA.
    CHECK(shop.count(kind) == (std::string(kind) == "configmaps" ? 1 : 0));
  }
}

TEST_CASE("what does not become healthy on a cluster is taken back whole, with the reason on the screen",
          "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  const auto image = shop.get("deployment/back").at("/spec/template/spec/containers/0/image"_json_pointer);
  struct Case {
    const char *behaviour, *why;
  };
  const auto told = shop.slipway({"logs", "web"});
  INFO(told.out);
  CHECK(contains(told.out, " | last words\n"));
  for (const auto& [behaviour, why] :
       {Case{"bad-image", "the image cannot be pulled"}, Case{"crash", "it ends again and again: exit 3"},
        Case{"wrong-arch", "exec format error"},
        Case{"never-ready", "its healthcheck does not pass within 6"}}) {
    INFO(behaviour);
    // `back` changes too, and comes first: it goes back with the release.
    shop.spec(shop.services(behaviour, "slow"));
    const auto ran = shop.slipway({"run"});
    INFO(ran.err);
    CHECK(ran.code == 4);
    CHECK(contains(ran.err, why));
    if (std::string_view(behaviour) == "crash") CHECK(contains(ran.err, "last words"));
    CHECK(contains(ran.err, "all services are as before: release r1 serves"));
    CHECK(shop.behaviour("web") == "well");
    CHECK(shop.behaviour("back") == "well");
    CHECK(shop.get("deployment/web").at("/status/availableReplicas"_json_pointer) == 2);
  }
  shop.spec(shop.services("flap"));
  const auto flap = shop.good({"run"});
  CHECK(shop.behaviour("web") == "flap");
}

TEST_CASE("a first release that fails leaves nothing running", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services("crash"));
  const auto ran = shop.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 4);
  CHECK(contains(ran.err, "this was the first release: nothing is left running"));
  CHECK(eventually([&] { return shop.count("deployments") == 0 && shop.count("services") == 0; }));
}

TEST_CASE("what others made or set on a cluster is theirs, and what left the spec goes", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.cluster.kubectl({"create", "service", "clusterip", "back", "-n", "shop", "--tcp=1:1"});
  shop.spec(shop.services());
  const auto foreign = shop.slipway({"run"});
  INFO(foreign.err);
  CHECK(foreign.code == 7);
  CHECK(contains(foreign.err, "service/back in namespace shop is there already and not of `shop test`"));
  CHECK(shop.count("deployments") == 0);
  shop.cluster.kubectl({"delete", "service", "back", "-n", "shop"});
  shop.good({"run"});

  // An autoscaler's number stays; slipway's own changes go on.
  shop.cluster.kubectl({"autoscale", "deployment/web", "-n", "shop", "--min=2", "--max=5"});
  shop.cluster.kubectl({"scale", "deployment/web", "-n", "shop", "--replicas=3"});
  CHECK(eventually([&] { return contains(shop.good({"status"}).out, "3/3 healthy"); }));
  shop.good({"run"});  // the number of replicas is no longer slipway's to write
  CHECK(shop.get("deployment/web").at("/spec/replicas"_json_pointer) == 3);
  shop.cluster.kubectl({"scale", "deployment/web", "-n", "shop", "--replicas=4"});
  CHECK(eventually([&] { return contains(shop.good({"status"}).out, "4/4 healthy"); }));
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));
  shop.cluster.kubectl({"create", "configmap", "mine", "-n", "shop", "--from-literal=a=b"});
  shop.spec(shop.services("again"));
  shop.good({"run"});
  CHECK(shop.get("deployment/web").at("/spec/replicas"_json_pointer) == 4);
  CHECK(shop.behaviour("web") == "again");

  // Somebody sets what slipway owns: seen by status, refused by the next change, taken over when allowed.
  shop.cluster.kubectl({"set", "env", "deployment/back", "-n", "shop", "BEHAVE=mine"});
  CHECK(contains(shop.good({"status"}).out, "it was changed since the rollout"));
  CHECK(contains(shop.good({"plan"}).out, "back: deployment/back was changed by somebody else"));
  shop.spec(shop.services("again", "other"));
  const auto refused = shop.slipway({"run"});
  INFO(refused.err);
  CHECK(refused.code == 7);
  CHECK(contains(refused.err, "deployment/back has fields that somebody else set: "));
  CHECK(contains(refused.err, "kubectl"));
  CHECK(shop.behaviour("back") == "mine");
  shop.target = ", take_over: [\"*\"]";
  shop.spec(shop.services("again", "other"));
  shop.good({"run"});
  CHECK(shop.behaviour("back") == "other");

  // Without `web`: its objects go, what others made stays.
  shop.spec("  back: {image: web, port: 9000, environment: {BEHAVE: other}}\n");
  const auto pruned = shop.good({"run"});
  CHECK(contains(pruned.err, "deployment/web: no longer part of the release, removed"));
  CHECK(eventually([&] { return shop.count("deployments") == 1 && shop.count("services") == 1; }));
  CHECK(shop.get("configmap/mine").at("/data/a"_json_pointer) == "b");
}

TEST_CASE("a rollout to a cluster that is killed is brought to its end by the next one", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  shop.spec(shop.services("slow", "slow"));
  for (const char* moment : {"deploy.test", "back 0/1", "back: 1 replica serves", "web 0/2"}) {
    INFO(moment);
    Live live(shop.user, {"run", "--progress", "plain"}, "shop");
    const bool said = live.says(moment);
    live.signal(SIGKILL);
    live.end();
    INFO(live.said());
    CHECK(said);
    const auto next = shop.good({"run"});
    INFO(next.err);
    CHECK(shop.behaviour("web") == "slow");
    CHECK(shop.behaviour("back") == "slow");
    const auto status = json::parse(shop.good({"status", "-o", "json"}).out);
    CHECK_FALSE(status.contains("rollout"));
    CHECK(contains(shop.good({"run"}).err, "nothing to do"));
    shop.spec(shop.services());
    shop.good({"run"});
    shop.spec(shop.services("slow", "slow"));
  }

  INFO("interrupted, it puts back what was there");
  Live live(shop.user, {"run", "--progress", "plain"}, "shop");
  REQUIRE(live.says("back 0/1"));
  live.signal(SIGINT);
  CHECK(live.end() == 130);
  INFO(live.said());
  CHECK(eventually([&] { return shop.behaviour("back") == "well"; }));
  CHECK(shop.behaviour("web") == "well");
}

TEST_CASE("what cannot be reached or read of a cluster is told with its way out", "[kubernetes]") {
  if (!have_own_api()) return;
  KubeShop shop;
  const auto config = shop.cluster.kubeconfig("deployer");
  const auto told = [&](const std::string& text, int code, const std::string& words) {
    INFO(words);
    shop.user.write("shop/config", text);
    fs::permissions(shop.user.dir() / "shop/config", fs::perms::owner_read | fs::perms::owner_write);
    shop.user.write(
        "shop/slipway.yaml",
        "version: 1\nname: shop\nimages: {web: {context: web}}\nregistry: {url: \"" + shop.registry.host() +
            "/shop\"}\nservices: {web: {image: web, port: 8080}}\nenvironments:\n  test: {target: {kind: "
            "kubernetes, kubeconfig: config, namespace: shop" +
            shop.target + "}}\n");
    const auto ran = shop.slipway({"status"});
    INFO(ran.err);
    CHECK(ran.code == code);
    CHECK(contains(ran.err, words));
  };
  const auto ca = config.parent_path() / "ca.crt";
  const auto with = [&](const std::string& server, const std::string& user, const std::string& more = "") {
    return fmt::format(
        "clusters: [{{name: c, cluster: {{server: \"{}\", certificate-authority: \"{}\"{}}}}}]\n"
        "users: [{{name: u, user: {}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n"
        "current-context: x\n",
        server, ca.string(), more, user);
  };
  told(with(shop.cluster.server(), "{token: wrong}"), 3, "does not know this user");
  told(with(fmt::format("https://127.0.0.1:{}", free_port()), "{token: x}"), 6, "connection refused");
  told(with(shop.cluster.server(), "{token: x}", ", tls-server-name: other.example"), 6, "is not trusted");
  told(with("http://" + shop.registry.host(), "{token: x}"), 6, "answers 404");
  told("clusters: []\ncurrent-context: x\n", 2, "the kubeconfig has no context `x`");
  told("just text\n", 2, "is no kubeconfig");
  told("contexts: [{name: x, context: {cluster: gone}}]\ncurrent-context: x\n", 2,
       "the kubeconfig has no cluster `gone`");
  // A credential program of a file that others may write to is not run.
  const auto program = with(shop.cluster.server(),
                            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, "
                            "\"touch ran; exit 1\"]}}");
  told(program, 3, "no credentials for the cluster");
  CHECK(fs::exists(shop.user.dir() / "shop/ran"));
  fs::remove(shop.user.dir() / "shop/ran");
  fs::permissions(shop.user.dir() / "shop/config", fs::perms::group_write, fs::perm_options::add);
  const auto refused = shop.slipway({"status"});
  INFO(refused.err);
  CHECK(refused.code == 7);
  CHECK(contains(refused.err, "names a program to run, and others may write to it"));
  CHECK_FALSE(fs::exists(shop.user.dir() / "shop/ran"));
  // One that prints a token.
  const auto token = fmt::format(
      "{{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: echo, args: ['{{\"status\": "
      "{{\"token\": "
      "\"{}\"}}}}']}}}}",
      "deployer-token-of-the-test");
  told(with(shop.cluster.server(), token), 0, "");
  // A namespace in which the user may do nothing: the rule that is missing.
  shop.user.write("shop/slipway.yaml", read_file(shop.user.dir() / "shop/slipway.yaml"));
  shop.cluster.kubectl({"delete", "rolebinding", "slipway", "-n", "shop"});
  CHECK(eventually([&] { return shop.slipway({"status"}).code == 3; }));
  const auto forbidden = shop.slipway({"status"});
  INFO(forbidden.err);
  CHECK(contains(forbidden.err, "resources: [\"configmaps\"], verbs: [\"get\"]"));
}

TEST_CASE("what a rollout would write to a cluster is printed, without the cluster and without secrets",
          "[kubernetes]") {
  if (!have_api()) return;
  KubeShop shop;
  shop.spec(shop.services());
  const auto early = shop.slipway({"render"});
  CHECK(early.code == 2);
  CHECK(contains(early.err, "the images are not known yet"));
  shop.good({"push"});
  const auto rendered = shop.good({"render"}).out;
  INFO(rendered);
  CHECK(contains(rendered, "kind: Deployment"));
  CHECK(contains(rendered, "PASSWORD: \"***\""));
  CHECK_FALSE(contains(rendered, "s3cret"));
  CHECK_FALSE(contains(rendered, "czNjcmV0"));
  // kubectl takes it as it is; what is new since 1.20 in its older form.
  auto old = rendered;
  old.replace(old.find("policy/v1"), 9, "policy/v1beta1");
  CHECK(contains(shop.cluster.kubectl({"apply", "--dry-run=server", "--validate=false", "-f", "-"}, old),
                 "deployment.apps/web created"));
}

TEST_CASE(
    "commands run once in each release on a cluster, before traffic moves and after, and stop it when they "
    "fail",
    "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  const auto spec = [&](const std::string& behave, const std::string& more = "") {
    shop.spec("  web: {image: web, port: 8080, environment: {BEHAVE: \"" + behave +
              "\"}, before: {run: [/migrate, --all], timeout: 1m},\n        after: {run: check it, once: "
              "per-release}, "
              "ingress: {host: shop.example.com, path: /api}" +
              more + "}\n");
  };
  spec("well");
  const auto ran = shop.good({"run"});
  INFO(ran.err);
  CHECK(contains(ran.err, "web: running its command before the rollout"));
  CHECK(contains(ran.err, "web before | last words"));
  CHECK(contains(ran.err, "web after | last words"));
  CHECK(ran.err.find("web before |") < ran.err.find("web: 1 replica serves"));
  CHECK(ran.err.find("web: 1 replica serves") < ran.err.find("web after |"));
  CHECK(contains(ran.err, "live  web  http://shop.example.com/api"));
  const auto ingress = shop.get("ingress/web");
  CHECK(ingress.at("/spec/rules/0/host"_json_pointer) == "shop.example.com");
  CHECK(ingress.at("/spec/rules/0/http/paths/0/backend/service/port/number"_json_pointer) == 8080);
  CHECK(eventually([&] { return shop.count("jobs") == 0; }));

  const auto again = shop.good({"run"});
  CHECK(contains(again.err, "nothing to do"));
  CHECK_FALSE(contains(again.err, "running its command"));

  spec("bad-migration");
  const auto failed = shop.slipway({"run"});
  INFO(failed.err);
  CHECK(failed.code == 4);
  CHECK(contains(failed.err, "its command before the rollout failed: exit 1"));
  CHECK(shop.behaviour("web") == "well");
  CHECK(eventually([&] { return shop.count("jobs") == 0; }));

  spec("other");
  shop.good({"run"});
  const auto back = shop.good({"rollback"});
  CHECK_FALSE(contains(back.err, "running its command"));
  CHECK(shop.behaviour("web") == "well");
}

TEST_CASE("faults on the way to a cluster are lived through, or end with what is where", "[kubernetes]") {
  if (!have_own_api() || !have_cluster()) return;
  KubeShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  struct Case {
    const char *name, *rules;
  };
  int number = 0;
  const auto through = [&](const std::string& rules) {
    const auto config = shop.cluster.kubeconfig("deployer", shop.cluster.break_by(rules));
    const auto text = read_file(shop.user.dir() / "shop/slipway.yaml");
    const auto begin = text.find("kubeconfig: \"") + 13, end = text.find('"', begin);
    shop.user.write("shop/slipway.yaml", text.substr(0, begin) + config.string() + text.substr(end));
  };
  for (
      const auto& [name, rules] : {
          Case{"busy",
               R"([{"on": "PATCH", "times": 3, "do": "429"}, {"on": "GET", "times": 3, "do": "503"}])"},
          Case{"broken", R"([{"on": "PATCH .*deployments", "times": 2, "do": "500"}])"},
          Case{
              "connections that end",
              R"([{"on": "PATCH", "times": 2, "do": "reset"}, {"on": "watch=true", "times": 3, "do": "reset"}])"},
          Case{"watches cut in the middle", R"([{"on": "watch=true", "times": 6, "do": "cut"}])"},
          Case{"a version that is too old", R"([{"on": "watch=true", "times": 4, "do": "gone"}])"},
          Case{"answers that are lost", R"([{"on": "PATCH .*deployments", "times": 2, "do": "late"}])"},
          Case{"a watch that never answers", R"([{"on": "pods.*watch=true", "times": 1, "do": "stall"}])"},
      }) {
    INFO(name);
    const auto behave = "v" + std::to_string(++number);
    shop.spec(shop.services(behave, behave));
    through(rules);
    const auto ran = shop.good({"run"});
    CHECK(shop.behaviour("web") == behave);
    CHECK(shop.behaviour("back") == behave);
    through("[]");
    CHECK(contains(shop.good({"run"}).err, "nothing to do"));
  }

  INFO("a failed rollout finds its way back through faults too");
  shop.spec(shop.services("crash", "other"));
  through(R"([{"on": "PATCH", "times": 4, "do": "500"}, {"on": "watch=true", "times": 8, "do": "cut"}])");
  const auto failed = shop.slipway({"run"});
  INFO(failed.err);
  CHECK(failed.code == 4);
  CHECK(shop.behaviour("web") == "v7");
  CHECK(shop.behaviour("back") == "v7");

  INFO("a cluster that stays away: nothing is touched, exit 6");
  shop.spec(shop.services("v9", "v9"));
  through(R"([{"on": ".", "times": 100000, "do": "reset"}])");
  const auto away = shop.slipway({"run"});
  INFO(away.err);
  CHECK(away.code == 6);
  CHECK(shop.behaviour("web") == "v7");
}

TEST_CASE("own manifests are rolled out with the images of the release, and mistakes in them told before",
          "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.spec("  web: {image: web, manifests: [k8s/*.yaml]}\n");
  const std::string workload =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec:\n  replicas: 2\n  selector: "
      "{matchLabels: "
      "{app: front}}\n  template:\n    metadata: {labels: {app: front}}\n    spec:\n      containers:\n"
      "        - {name: web, image: web, env: [{name: BEHAVE, value: well}]}\n        - {name: helper, "
      "image: \"other:1\"}\n";
  const auto refused = [&](const std::string& text, const std::string& words) {
    INFO(words);
    shop.user.write("shop/k8s/all.yaml", text);
    const auto ran = shop.slipway({"run"});
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(contains(ran.err, words));
    CHECK(shop.count("deployments") == 0);
  };
  refused("kind: [\n", "k8s/all.yaml:");
  refused(workload + "---\njust text\n", "this is no object of a cluster");
  refused(workload + "---\njust text\n", "k8s/all.yaml:14:1\n");
  refused(workload + "---\n" + workload, "deployment/front stands here twice");
  refused("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", "no Deployment and no StatefulSet");
  refused(workload + "---\napiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: other}\n",
          "is for the namespace `other`");
  auto foreign = workload;
  foreign.replace(foreign.find("image: web"), 10, "image: wab");
  refused(foreign, "no container of its manifests has the image `web`");
  refused(workload + "---\napiVersion: example.com/v1\nkind: Gizmo\nmetadata: {name: x}\n",
          "the cluster has no kind `Gizmo` in `example.com/v1`");

  shop.user.write(
      "shop/k8s/all.yaml",
      workload + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"1\"}\n");
  shop.good({"run"});
  const auto front = shop.get("deployment/front");
  const auto& containers = front.at("/spec/template/spec/containers"_json_pointer);
  CHECK(
      contains(containers.at(0).at("image").get<std::string>(), shop.registry.host() + "/shop/web@sha256:"));
  CHECK(containers.at(1).at("image") == "other:1");
  CHECK(shop.get("configmap/settings").at("/data/a"_json_pointer) == "1");
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));
  CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));

  // Printed by any command, and back.
  shop.user.write("shop/print.sh", "sed 's/value: well/value: changed/' k8s/all.yaml\n");
  shop.spec("  web: {image: web, manifests: {command: [sh, print.sh]}}\n");
  shop.good({"run"});
  CHECK(shop.behaviour("front") == "changed");
  CHECK(contains(shop.good({"rollback"}).out, "r1 serves again"));
  CHECK(shop.behaviour("front") == "well");
}
