// The lock of a rollout on a cluster that answers badly.
#include <catch2/catch.hpp>

#include "support/kube_shop.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("a rollout whose lock was renewed without an answer has it still", "[kubernetes]") {
  if (!have_own_api() || !have_cluster()) return;
  KubeShop shop;
  // Longer than the lock is held without a sign of life.
  shop.target = ", stable: 12s";
  shop.spec(shop.services());
  const auto rules = R"([{"on": "PUT .*leases", "times": 1, "do": "late"}])";
  const auto config = shop.cluster.kubeconfig("deployer", shop.cluster.break_by(rules)).string();
  auto text = read_file(shop.user.dir() / "shop/slipway.yaml");
  const auto direct = shop.cluster.kubeconfig("deployer").string();
  text.replace(text.find(direct), direct.size(), config);
  shop.user.write("shop/slipway.yaml", text);
  shop.good({"run"});
}
