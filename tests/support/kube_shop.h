// A project `shop` on a real control plane of its own, as the user `deployer`, who has the documented Role
// and nothing else. kubectl looks at it from outside.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/kube_cluster.h"
#include "support/registry_server.h"
#include "support/slipway.h"

namespace slipway::test {

// All that a cluster needs is there; otherwise a failure in CI, a named skip elsewhere (then return).
bool have_cluster();
// The same for stories in which nothing is rolled out, and for those that only a cluster of ours can tell.
bool have_api();
bool have_own_api();

bool contains(const std::string& text, const std::string& part);

// Its services do on the cluster what their variable BEHAVE says (support/kube_cluster.cpp).
struct KubeShop {
  User user;
  RegistryServer registry{{}};
  KubeCluster cluster;
  std::string target;       // more of the target, for the next spec(): ", prune: false"
  std::string environment;  // more of the environment: ", strategy: recreate"

  explicit KubeShop(KubeCluster::Nodes nodes = KubeCluster::Nodes::fake);
  // `web` (two replicas, port 8080, a secret) that waits for `back`, as spec() takes them.
  std::string services(const std::string& web = "well", const std::string& back = "well") const;
  // Writes slipway.yaml with these services, whose image is `web`, in the environment `test`.
  void spec(const std::string& services) const;

  Ran slipway(std::vector<std::string> args) const { return user.slipway(std::move(args), "shop"); }
  Ran good(std::vector<std::string> args) const;  // exit code 0 is required
  // What kubectl gets in the namespace: "deployment/web", or "deployments" for a list.
  nlohmann::json get(const std::string& what) const;
  std::string behaviour(const std::string& service) const;  // BEHAVE of its Deployment
  std::size_t count(const std::string& kind) const;
};

}  // namespace slipway::test
