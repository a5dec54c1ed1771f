#include <catch2/catch.hpp>

#include "plugins/kubernetes/color.h"
#include "plugins/kubernetes/share.h"

using namespace slipway;
using namespace slipway::kubernetes;

namespace {

ServiceObjects service(const char* image = "one") {
  const json labels = {{"app", "web"}};
  ServiceObjects out;
  out.name = "web";
  out.workload = {{"apiVersion", "apps/v1"},
                  {"kind", "Deployment"},
                  {"metadata", {{"name", "web"}}},
                  {"spec",
                   {{"replicas", 2},
                    {"selector", {{"matchLabels", labels}}},
                    {"template", {{"metadata", {{"labels", labels}}}, {"spec", {{"image", image}}}}}}}};
  out.config = {{{"apiVersion", "v1"},
                 {"kind", "Service"},
                 {"metadata", {{"name", "web"}}},
                 {"spec", {{"selector", labels}}}},
                {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "web-1"}}}}};
  out.strategy = {{"blue_green", json::object()}};
  return out;
}

}  // namespace

TEST_CASE("a canary's share is the nearest that pods can make, and one of the two sets is always whole") {
  struct Case {
    int replicas, weight, stable, canary;
  };
  for (const auto& [replicas, weight, stable, canary] :
       {Case{4, 5, 4, 1}, Case{4, 20, 4, 1}, Case{4, 50, 4, 4}, Case{4, 80, 1, 4}, Case{4, 100, 0, 4},
        Case{10, 10, 10, 1}, Case{10, 25, 10, 3}, Case{1, 1, 1, 1}, Case{1, 99, 1, 1}, Case{20, 5, 20, 1}}) {
    INFO(replicas << " replicas, " << weight << "%");
    const auto share = share_of(replicas, weight);
    CHECK(share.stable == stable);
    CHECK(share.canary == canary);
  }
}

TEST_CASE("a colour marks the workload, its pods and the Services that mean them, and goes again whole") {
  const auto plain = service();
  const auto blue = painted(plain, "blue");
  CHECK(blue.workload.at("/metadata/name"_json_pointer) == "web-blue");
  CHECK(blue.workload.at("/spec/template/metadata/labels/slipway.dev~1color"_json_pointer) == "blue");
  REQUIRE(blue.traffic.size() == 1);
  CHECK(blue.traffic[0].at("/spec/selector/slipway.dev~1color"_json_pointer) == "blue");
  CHECK(blue.config.size() == 1);
  CHECK(painted(blue, "green").workload.at("/metadata/name"_json_pointer) == "web-green");
  CHECK(painted(painted(blue, "green"), "blue").workload == blue.workload);
  CHECK(unpainted(blue).workload == plain.workload);
  CHECK(unpainted(blue).config.size() == 2);
}

TEST_CASE("pods that stay as they are keep their colour, changed ones take the other") {
  const auto first = with_color(service(), nullptr);
  CHECK(first.color == "blue");
  auto more = service();
  more.workload["spec"]["replicas"] = 5;
  CHECK(with_color(more, &first).color == "blue");
  const auto second = with_color(service("two"), &first);
  CHECK(second.color == "green");
  CHECK(with_color(service("three"), &second).color == "blue");
  auto rolling = service("two");
  rolling.strategy = nullptr;
  CHECK(with_color(rolling, &second).color.empty());
}

TEST_CASE("requests are shared by an Ingress beside the service's own, or by weights of its HTTPRoute") {
  auto one = service();
  const auto canary = canary_of(one.workload, true);
  CHECK(canary.at("/spec/selector/matchLabels/app.kubernetes.io~1name"_json_pointer) == "web-canary");
  CHECK_THROWS_WITH(routes_to(one, canary, 10),
                    "requests of `web` cannot be shared by weight: it has no Ingress and no HTTPRoute");
  one.after = {{{"apiVersion", "gateway.networking.k8s.io/v1"},
                {"kind", "HTTPRoute"},
                {"metadata", {{"name", "web"}}},
                {"spec", {{"rules", {{{"backendRefs", {{{"name", "web"}, {"port", 80}}}}}}}}}}};
  const auto routes = routes_to(one, canary, 10);
  REQUIRE(routes.size() == 2);
  CHECK(routes[0].at("/metadata/name"_json_pointer) == "web-canary");
  const auto& refs = routes[1].at("/spec/rules/0/backendRefs"_json_pointer);
  REQUIRE(refs.size() == 2);
  CHECK(refs[0].at("weight") == 90);
  CHECK(refs[1].at("weight") == 10);
  CHECK(refs[1].at("name") == "web-canary");
}
