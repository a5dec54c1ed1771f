// What only a node that runs its pods can show: images that are not there, programs that end, memory, probes.
#include <catch2/catch.hpp>

#include "support/kube_node.h"
#include "support/kube_shop.h"
#include "support/own_network.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

TEST_CASE("a real node runs what a release asks for", "[kubernetes]") {
  if (!have_cluster() || !KubeNode::possible()) return;
  const OwnNetwork network;
  const KubeCluster cluster(KubeCluster::Nodes::real);
  INFO(cluster.kubectl({"get", "nodes", "-o", "wide"}));
  cluster.kubectl(
      {"run", "one", "--image=slipway.test/pause:1", "--image-pull-policy=Never", "--restart=Never"});
  CHECK(eventually(
      [&] {
        return cluster.kubectl({"get", "pod", "one"}).find("Running") != std::string::npos;
      },
      Millis(30'000)));
  fmt::print("{}", cluster.kubectl({"get", "pods", "-A", "-o", "wide"}));
}
