// What stands before a rollout, as a user writes it.
#include <catch2/catch.hpp>

#include "base/error.h"
#include "spec/load.h"
#include "spec/schema.h"

using namespace slipway;

namespace {

const std::string kHead = "version: 1\nname: shop\nimages: {web: {}}\nservices: {web: {image: web}}\n";

std::string mistakes(const std::string& environments) {
  Diagnostics diagnostics;
  parse_spec(kHead + "environments:\n" + environments, "slipway.yaml", {"prod", {}}, diagnostics);
  return diagnostics.render();
}

Spec good(const std::string& environments, const LoadOptions& options = {"prod", {}}) {
  Diagnostics diagnostics;
  auto spec = parse_spec(kHead + "environments:\n" + environments, "slipway.yaml", options, diagnostics);
  INFO(diagnostics.render());
  REQUIRE_FALSE(diagnostics.has_errors());
  return spec;
}

}  // namespace

TEST_CASE("gates are read as the example of the language writes them", "[spec]") {
  const auto spec = good(R"(  staging: {target: {kind: local}}
  prod:
    target: {kind: local}
    requires: {environment: staging, for: 10m}
    approval: {by: [sre], timeout: 12h}
    concurrency: {group: prod, queue: all}
    rollback: {on: [unhealthy, timeout], scope: release}
)");
  const auto& prod = *spec.environments.find("prod");
  REQUIRE(prod.requirements.size() == 1);
  CHECK(prod.requirements[0].environment.text == "staging");
  CHECK(prod.requirements[0].lasting == Millis(600'000));
  CHECK(prod.approval->by[0].text == "sre");
  CHECK(prod.approval->timeout == Millis(12 * 3'600'000));
  CHECK(prod.queue.text == "prod");
  CHECK_FALSE(spec.environments.find("staging")->approval);
}

TEST_CASE("an approval by anybody, and several requirements", "[spec]") {
  const auto spec = good(R"(  a: {target: {kind: local}}
  b: {target: {kind: local}}
  prod: {target: {kind: local}, approval: {}, requires: [{environment: a}, {environment: b, for: 1s}]}
)");
  const auto& prod = *spec.environments.find("prod");
  CHECK(prod.requirements.size() == 2);
  CHECK(prod.approval->by.empty());
  CHECK(prod.approval->timeout == Millis(86'400'000));
}

TEST_CASE("a required environment has its own variables", "[spec]") {
  const auto spec =
      good(R"(  staging: {target: {kind: kubernetes, namespace: "shop-${{ vars.tier }}"}, vars: {tier: green}}
  other: {target: {kind: kubernetes, namespace: "${{ vars.missing }}"}}
  prod: {target: {kind: local}, vars: {tier: blue}, requires: {environment: staging}}
)");
  CHECK(spec.environments.find("staging")->target.name_space.text == "shop-green");
  CHECK_FALSE(spec.environments.find("other"));  // not for today
}

TEST_CASE("mistakes in gates are shown all at once, each with its place", "[spec]") {
  const auto told = mistakes(R"(  staging: {target: {kind: local}, requires: {environment: prod}}
  prod:
    target: {kind: local}
    requires: [{environment: stagin, for: 10}, {environment: prod}, {environment: staging}, {fro: 1s}]
    approval: {by: [], timeout: soon}
    concurrency: {group: prod, queue: newest}
    rollback: {on: [unhealthy, verify], scope: service}
)");
  INFO(told);
  for (const char* line :
       {"slipway.yaml:9:30: there is no environment `stagin`", "did you mean `staging`?",
        "slipway.yaml:9:43: this must be a duration, not `10`", "slipway.yaml:9:62: `prod` requires itself",
        "environments wait for each other", "unknown key `fro` in requirement",
        "`environment` is missing in this requirement", "slipway.yaml:10:20: nobody is in this list",
        "slipway.yaml:10:33: this must be a duration, not `soon`",
        "slipway.yaml:11:39: `newest` is no way to queue", "slipway.yaml:12:32: `verify` is not built yet",
        "a release goes back when it is unhealthy and when it takes too long: both",
        "slipway.yaml:12:48: `service` is no scope: all services of a release go back together"}) {
    INFO(line);
    CHECK(told.find(line) != std::string::npos);
  }
}

TEST_CASE("an environment that is not for today is no unknown one", "[spec]") {
  CHECK(
      mistakes(
          R"(  later: {target: {kind: kubernetes, namespace: "${{ vars.x }}"}, requires: {environment: prod}}
  prod: {target: {kind: local}}
)")
          .empty());
  // Required, it has to be whole.
  CHECK(mistakes(R"(  later: {target: {kind: kubernetes, namespace: "${{ vars.x }}"}}
  prod: {target: {kind: local}, requires: {environment: later}}
)")
            .find("slipway.yaml:6:") == 0);
}

TEST_CASE("a rollback says only what is done", "[spec]") {
  const auto rollback = [](const std::string& text) {
    return mistakes("  prod: {target: {kind: local}, rollback: " + text + "}\n");
  };
  CHECK(rollback("{scope: release}").empty());
  CHECK(rollback("{on: [timeout, unhealthy]}").empty());
  CHECK(rollback("{on: [unhealthy]}")
            .find("a release goes back when it is unhealthy and when it takes too "
                  "long: both") != std::string::npos);
  CHECK(rollback("{on: [unhealthy, timeout, sunset]}").find("`sunset` is no reason to go back") !=
        std::string::npos);
}

TEST_CASE("editors know the gates", "[spec]") {
  const auto schema = spec_json_schema();
  const auto& environment = schema["definitions"]["environment"]["properties"];
  for (const char* key : {"requires", "approval", "concurrency", "rollback"})
    CHECK(environment.contains(key));
  CHECK(schema["definitions"]["approval"]["additionalProperties"] == false);
  CHECK(schema["definitions"]["requirement"]["required"] == nlohmann::json{"environment"});
}
