// Which steps stand before a rollout that has gates, and what they wait for.
#include "plan/gates.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "plan/planner.h"
#include "spec/load.h"

using namespace slipway;

namespace {

Plan plan_of(const std::string& environments, const PlanOptions& options = {}) {
  Diagnostics diagnostics;
  auto spec = parse_spec(R"(version: 1
name: shop
images: {web: {}, tool: {}}
tests: {unit: {image: tool, run: "true"}}
services: {web: {image: web, depends_on: [db], environment: {KEY: {secret: key}}}}
backing: {db: {image: "postgres:15"}}
secrets: {key: {env: KEY}}
steps: [{name: scan, run: "true", before: deploy}, {name: notes, run: "true", after: deploy}]
environments:
)" + environments,
                         "slipway.yaml", {"prod", {}}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE_FALSE(diagnostics.has_errors());
  spec.dir = "/nowhere";
  return make_plan(spec, options);
}

std::set<std::string> needs(const Plan& plan, const std::string& name) {
  std::set<std::string> out;
  const auto* step = plan.find(name);
  REQUIRE(step);
  for (auto id : step->needs) out.insert(plan.steps[id].name);
  return out;
}

const std::string kGated = R"(  staging: {target: {kind: kubernetes, namespace: shop-green}}
  prod:
    target: {kind: local}
    requires: {environment: staging, for: 10m}
    approval: {by: [sre], timeout: 1h}
    concurrency: {group: prod}
)";

}  // namespace

TEST_CASE("gates wait for all that the rollout needs, and the rollout for them", "[plan]") {
  const auto plan = plan_of(kGated);
  const std::set<std::string> before = {"build.web", "pull.postgres-15", "test.unit", "scan"};
  auto with = [&](std::set<std::string> more) {
    more.insert(before.begin(), before.end());
    return more;
  };
  CHECK(needs(plan, "queue.prod") == before);
  CHECK(needs(plan, "status.staging") == with({"queue.prod"}));
  CHECK(needs(plan, "gate.staging") == with({"status.staging"}));
  CHECK(needs(plan, "preview.prod") == with({"queue.prod", "status.staging", "gate.staging"}));
  CHECK(needs(plan, "approval.prod") ==
        with({"queue.prod", "status.staging", "gate.staging", "preview.prod"}));
  CHECK(needs(plan, "deploy.prod") ==
        with({"queue.prod", "status.staging", "gate.staging", "preview.prod", "approval.prod"}));
  CHECK(needs(plan, "notes") == std::set<std::string>{"deploy.prod"});
}

TEST_CASE("gates are given the digests that will be rolled out", "[plan]") {
  const auto plan = plan_of(kGated);
  const json images = {{"web", {{"$ref", "build.web"}, {"path", "/descriptor/digest"}}},
                       {"db", {{"$ref", "pull.postgres-15"}, {"path", "/descriptor/digest"}}}};
  CHECK(plan.find("status.staging")->uses == "kubernetes");
  CHECK(plan.find("status.staging")->params ==
        json{{"project", "shop"}, {"environment", "staging"}, {"target", {{"namespace", "shop-green"}}}});
  CHECK(plan.find("gate.staging")->params["images"] == images);
  CHECK(plan.find("gate.staging")->params["for_ms"] == 600'000);
  const auto* preview = plan.find("preview.prod");
  CHECK(preview->preview);
  CHECK(preview->params == plan.find("deploy.prod")->params);
  CHECK(preview->secrets == std::vector<std::string>{"key"});
  const auto& ask = plan.find("approval.prod")->params;
  CHECK(ask["images"] == images);
  CHECK(ask["by"] == json{"sre"});
  CHECK(ask["timeout_ms"] == 3'600'000);
  CHECK(ask["changes"] == json{{"$ref", "preview.prod"}, {"path", "/changes"}});
  CHECK(to_json(plan_from_json(to_json(plan))) == to_json(plan));
}

TEST_CASE("gates are of the rollout alone", "[plan]") {
  for (const char* phase : {"build", "test"}) {
    const auto plan = plan_of(kGated, {{phase}, {}, false});
    CHECK_FALSE(plan.find("approval.prod"));
    CHECK_FALSE(plan.find("gate.staging"));
  }
  CHECK(plan_of(kGated, {{"deploy"}, {}, false}).find("approval.prod"));
  const auto plain = plan_of("  prod: {target: {kind: local}}\n");
  for (const auto& step : plain.steps) CHECK((step.phase != "gate" && step.phase != "approval"));
}
