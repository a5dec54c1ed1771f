// A cluster for who is no test of this suite.
#include <catch2/catch.hpp>
#include <cstdio>

#include "support/kube_shop.h"

using namespace slipway::test;

// Prints its kubeconfig, another that leads through a proxy which writes down every request, and the file of
// those.
TEST_CASE("a cluster for tests/bench, until the end of its input", "[.hold]") {
  if (!have_cluster()) return;
  const KubeCluster cluster;
  const auto direct = cluster.kubeconfig();
  fmt::print("{}\n{}\n{}\n", direct.string(), cluster.kubeconfig("admin", cluster.break_by("[]")).string(),
             (direct.parent_path() / "proxy.log").string());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

// For runs of this suite against "another" cluster: KUBECONFIG=what it prints, SLIPWAY_TEST_CONTEXT=test.
TEST_CASE("a cluster without a node, until the end of its input", "[.hold]") {
  if (!have_own_api()) return;
  const KubeCluster cluster(KubeCluster::Nodes::none);
  fmt::print("{}\n", cluster.kubeconfig().string());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
