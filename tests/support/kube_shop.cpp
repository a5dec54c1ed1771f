#include "support/kube_shop.h"

#include "base/error.h"

#include <catch2/catch.hpp>

namespace slipway::test {

bool have_cluster() {
  return have_api() && KubeCluster::rolls_out();
}

bool have_api() {
  if (!have("kubectl") || !have("docker-registry") || !have("openssl")) return false;
  if (!KubeCluster::other().empty()) return true;
  const auto programs = KubeCluster::programs();
  return !programs.empty() && (fs::exists(programs / "etcd") || have("etcd"));
}

bool have_own_api() {
  if (!KubeCluster::other().empty()) {
    WARN("skipped: it is about users and certificates of a cluster of the suite's own");
    return false;
  }
  return have_api();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

KubeShop::KubeShop(KubeCluster::Nodes nodes) : cluster(nodes) {
  cluster.make_namespace("shop");
  const auto role = read_file(fs::path(SLIPWAY_SOURCE_DIR) / "plugins/kubernetes/role.yaml");
  cluster.kubectl({"create", "-n", "shop", "-f", "-"}, role);
  cluster.kubectl({"create", "rolebinding", "slipway", "-n", "shop", "--role=slipway", "--user=deployer"});
  user.write("shop/web/Dockerfile", "FROM scratch\nCOPY page /page\nUSER 1000\nCMD [\"/serve\"]\n");
  user.write("shop/web/page", "one");
  user.write("shop/secret", "s3cret-value");
}

std::string KubeShop::services(const std::string& web, const std::string& back) const {
  return fmt::format(
      "  web: {{image: web, port: 8080, replicas: 2, environment: {{BEHAVE: \"{}\", PASSWORD: {{secret: "
      "key}}}},\n"
      "        depends_on: {{back: healthy}}, healthcheck: {{http: /ok, retries: 3, interval: 1s, timeout: "
      "1s}}}}\n"
      "  back: {{image: web, port: 9000, environment: {{BEHAVE: \"{}\"}}}}\n",
      web, back);
}

void KubeShop::spec(const std::string& text) const {
  user.write("shop/slipway.yaml", fmt::format(R"(version: 1
name: shop
registry: {{url: "{}/shop"}}
secrets: {{key: {{file: secret}}}}
images: {{web: {{context: web}}}}
services:
{}environments:
  test: {{target: {{kind: kubernetes, kubeconfig: "{}", namespace: shop{}}}{}}}
)",
                                              registry.host(), text, cluster.kubeconfig("deployer").string(),
                                              target, environment));
}

Ran KubeShop::good(std::vector<std::string> args) const {
  auto ran = slipway(std::move(args));
  INFO(ran.out << ran.err);
  REQUIRE(ran.code == 0);
  return ran;
}

nlohmann::json KubeShop::get(const std::string& what) const {
  return nlohmann::json::parse(
      cluster.kubectl({"get", what, "-n", "shop", "-o", "json", "--show-managed-fields"}));
}

std::string KubeShop::behaviour(const std::string& service) const {
  return get("deployment/" + service)
      .at(nlohmann::json::json_pointer("/spec/template/spec/containers/0/env/0/value"))
      .get<std::string>();
}

std::size_t KubeShop::count(const std::string& kind) const {
  return get(kind).at("items").size();
}

}  // namespace slipway::test
