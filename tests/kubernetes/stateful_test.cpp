// Services that keep data, beside others that change.
#include <catch2/catch.hpp>

#include "support/kube_shop.h"

using namespace slipway::test;

TEST_CASE("a service that keeps data and did not change is no reason to wait", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  const auto spec = [&](const std::string& behave) {
    shop.spec(
        "  web: {image: web, port: 8080, environment: {BEHAVE: " + behave +
        "}, depends_on: {store: healthy}}\nbacking:\n  store: {image: web, healthcheck: {tcp: 9000}}\n");
  };
  shop.target = ", deadline: 20s";
  spec("one");
  shop.good({"run"});
  CHECK(shop.count("statefulsets") == 1);
  spec("two");
  const auto ran = shop.good({"run"});
  CHECK(contains(ran.err, "web: 1 replica serves"));
  CHECK_FALSE(contains(ran.err, "store: 1 replica serves"));
}
