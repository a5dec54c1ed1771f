// Gates before a rollout to a real control plane: two namespaces as two environments; and the commands
// around.
#include <catch2/catch.hpp>
#include <csignal>

#include "base/error.h"
#include "support/kube_cluster.h"
#include "support/live.h"
#include "support/registry_server.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

bool ready() {
  return have("etcd") && have("kubectl") && have("docker-registry") && have("openssl") &&
         !KubeCluster::programs().empty();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A project `shop` with one service, rolled out to the namespaces `green` (staging) and `blue` (prod).
struct Shop {
  User user;
  RegistryServer registry{{}};
  KubeCluster cluster;

  Shop() {
    // The documented Role is all that slipway has.
    const auto role = read_file(fs::path(SLIPWAY_SOURCE_DIR) / "plugins/kubernetes/role.yaml");
    for (const char* name : {"green", "blue"}) {
      cluster.kubectl({"create", "namespace", name});
      cluster.kubectl({"create", "-n", name, "-f", "-"}, role);
      cluster.kubectl({"create", "rolebinding", "slipway", "-n", name, "--role=slipway", "--user=deployer"});
    }
    user.write("shop/web/Dockerfile", "FROM scratch\nCOPY page /page\nUSER 1000\nCMD [\"/serve\"]\n");
    serve("one");
    spec("");
  }
  void serve(const std::string& page) const { user.write("shop/web/page", page); }
  void spec(const std::string& gates) const {
    const auto config = cluster.kubeconfig("deployer").string();
    user.write("shop/slipway.yaml", fmt::format(R"(version: 1
name: shop
registry: {{url: "{0}/shop"}}
images: {{web: {{context: web}}}}
services: {{web: {{image: web, port: 8080, replicas: 2, environment: {{BEHAVE: well}}}}}}
environments:
  staging: {{target: {{kind: kubernetes, kubeconfig: "{1}", namespace: "${{{{ vars.color }}}}"}}, vars: {{color: green}}}}
  prod:
    target: {{kind: kubernetes, kubeconfig: "{1}", namespace: blue}}
{2})",
                                                registry.host(), config, gates));
  }
  Ran slipway(std::vector<std::string> args) const { return user.slipway(std::move(args), "shop"); }
  Ran good(std::vector<std::string> args) const {
    auto ran = slipway(std::move(args));
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == 0);
    return ran;
  }
  std::string image(const std::string& name_space) const {
    return json::parse(cluster.kubectl({"get", "deployment/web", "-n", name_space, "-o", "json"}))
        .at("/spec/template/spec/containers/0/image"_json_pointer)
        .get<std::string>();
  }
};

}  // namespace

TEST_CASE("a rollout to a cluster begins when another namespace serves the same, and somebody has agreed",
          "[kubernetes]") {
  if (!ready()) return;
  Shop shop;
  const std::string same = "    requires: {environment: staging}\n", ask = "    approval: {}\n";
  shop.spec(same);
  const auto early = shop.slipway({"run", "--env", "prod"});
  INFO(early.err);
  CHECK(early.code == 7);
  CHECK(contains(early.err, "nothing was rolled out to staging yet"));

  shop.good({"run", "--env", "staging"});
  shop.spec("    requires: {environment: staging, for: 1h}\n");
  const auto soon = shop.slipway({"run", "--env", "prod"});
  CHECK(soon.code == 7);
  CHECK(contains(soon.err, "release r1 is good in staging since"));
  CHECK(contains(soon.err, "1h00m are asked for"));

  shop.spec(same + ask);
  {
    Live live(shop.user, {"run", "--env", "prod"}, "shop");
    const bool waits = live.says("waits for anybody to");
    INFO(live.said());
    REQUIRE(waits);
    CHECK(contains(live.said(), "staging serves the same 1 image, healthy, as"));
    CHECK(contains(shop.good({"approve"}).out, "web: is new, 2 of it"));
    CHECK(live.end() == 0);
  }
  CHECK(shop.image("blue") == shop.image("green"));
  CHECK(contains(shop.good({"run", "--env", "prod"}).err, "nothing would change: nobody is asked"));

  shop.serve("two");
  const auto changed = shop.slipway({"run", "--env", "prod"});
  INFO(changed.err);
  CHECK(changed.code == 7);
  CHECK(contains(changed.err, "web: staging serves sha256:"));
  CHECK(shop.image("blue") == shop.image("green"));

  shop.good({"run", "--env", "staging"});
  shop.cluster.kubectl({"scale", "deployment/web", "-n", "green", "--replicas=0"});
  const auto scaled = shop.slipway({"run", "--env", "prod", "--yes"});
  INFO(scaled.err);
  CHECK(scaled.code == 7);
  CHECK(contains(scaled.err, "`staging` does not serve this yet: web"));
  shop.cluster.kubectl({"scale", "deployment/web", "-n", "green", "--replicas=2"});
  shop.good({"run", "--env", "staging"});
  CHECK(contains(shop.good({"run", "--env", "prod", "--yes"}).err, "approved by"));
  CHECK(shop.image("blue") == shop.image("green"));
}

TEST_CASE("logs -f shows what the pods of a cluster write, of new ones too, until it is interrupted",
          "[kubernetes]") {
  if (!ready()) return;
  Shop shop;
  shop.good({"run", "--env", "staging"});
  Live follower(shop.user, {"logs", "-f", "web", "--env", "staging"}, "shop");
  REQUIRE(follower.says(" | last words"));
  REQUIRE(follower.says(" | line 3"));
  const auto before = follower.said();
  shop.serve("two");
  shop.good({"run", "--env", "staging"});
  const auto pods =
      json::parse(shop.cluster.kubectl({"get", "pods", "-n", "green", "-o", "json"})).at("items");
  std::size_t fresh = 0;
  for (const auto& pod : pods) {
    const auto name = pod.at("/metadata/name"_json_pointer).get<std::string>();
    if (contains(before, name)) continue;
    ++fresh;
    CHECK(follower.says(name + " | web of " + name + " starts"));
  }
  CHECK(fresh == 2);
  follower.signal(SIGINT);
  CHECK(follower.end() == 130);
  CHECK(shop.slipway({"logs", "-f", "wbe", "--env", "staging"}).code == 2);
}
