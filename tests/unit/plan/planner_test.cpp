// From a spec to steps: which there are, what they are given, what they wait for.
#include "plan/planner.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "plan/base_images.h"
#include "spec/load.h"
#include "sys/files.h"

using namespace slipway;

namespace {

Spec spec_of(const std::string& text) {
  Diagnostics diagnostics;
  auto spec = parse_spec("version: 1\nname: shop\n" + text, "slipway.yaml", {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE_FALSE(diagnostics.has_errors());
  spec.dir = "/nowhere";
  return spec;
}

std::vector<std::string> names(const Plan& plan) {
  std::vector<std::string> out;
  for (const auto& step : plan.steps) out.push_back(step.name);
  return out;
}

std::set<std::string> needs(const Plan& plan, const std::string& name) {
  std::set<std::string> out;
  const auto* step = plan.find(name);
  REQUIRE(step);
  for (auto id : step->needs) out.insert(plan.steps[id].name);
  return out;
}

}  // namespace

TEST_CASE("the sample shop's plan", "[plan]") {
  const auto plan = make_plan(load_spec(fs::path(SLIPWAY_SOURCE_DIR) / "templates/shop/slipway.yaml"));
  CHECK(plan.environment == "local");
  CHECK(needs(plan, "build.users") == std::set<std::string>{"source.users", "build.python"});
  CHECK(needs(plan, "build.orders") ==
        std::set<std::string>{"source.orders", "build.gcc", "build.debian-slim"});
  CHECK(needs(plan, "test.users-api") == std::set<std::string>{"build.users", "build.postgres"});
  CHECK(needs(plan, "deploy.local").contains("test.users-api"));
  CHECK(needs(plan, "deploy.local").contains("build.redis"));
  const auto& params = plan.find("deploy.local")->params;
  CHECK(params["services"]["users-db"]["stateful"] == true);
  CHECK(params["services"]["users"]["replicas"] == 2);
  CHECK(params["services"]["users"]["secret_environment"] == json{{"DB_PASSWORD", "users-db-password"}});
  CHECK(plan.find("test.users-api")->params["services"]["users-db"].contains("volumes") == false);
  CHECK(plan.find("deploy.local")->secrets == std::vector<std::string>{"users-db-password"});
  CHECK(plan.find("build.users")->params["context_id"] ==
        json{{"$ref", "source.users"}, {"path", "/trees/."}});
  // Saved and read back it is the same.
  CHECK(to_json(plan_from_json(to_json(plan))) == to_json(plan));
}

TEST_CASE("parts of a plan bring what they need and nothing else", "[plan]") {
  const auto spec = spec_of(R"(images: {a: {}, b: {needs: {BASE: a}}, c: {}}
tests: {t: {image: b, run: "true"}}
)");
  CHECK(names(make_plan(spec, {{"build"}, {}, false})) ==
        std::vector<std::string>{"source.shop", "build.a", "build.b", "build.c"});
  CHECK(names(make_plan(spec, {{"test"}, {}, false})) ==
        std::vector<std::string>{"source.shop", "build.a", "build.b", "test.t"});
  CHECK(names(make_plan(spec, {{}, {"b"}, false})) ==
        std::vector<std::string>{"source.shop", "build.a", "build.b"});
  CHECK(make_plan(spec).find("build.b")->params["args"]["BASE"] ==
        json{{"$ref", "build.a"}, {"path", "/ref"}});
  CHECK_THROWS_WITH(make_plan(spec, {{}, {"bb"}, false}), "there is no step `bb` here");
  CHECK_THROWS_WITH(make_plan(spec, {{"push"}, {}, false}), "nothing to push: the spec names no registry");
}

TEST_CASE("steps of the user stand where they say", "[plan]") {
  const auto plan = make_plan(spec_of(R"(images: {a: {}}
services: {s: {image: a}}
environments: {local: {target: {kind: local}}}
steps:
  - {name: scan, uses: ./scan, with: {image: "${{ images.a.ref }}", list: ["x-${{ git.branch }}"]}, before: deploy}
  - {name: notes, run: echo, after: deploy, if: always()}
)"));
  CHECK(needs(plan, "scan") == std::set<std::string>{"build.a", "source.shop"});
  CHECK(needs(plan, "deploy.local") == std::set<std::string>{"build.a", "scan"});
  CHECK(needs(plan, "notes") == std::set<std::string>{"deploy.local"});
  CHECK(plan.find("notes")->when == When::always);
  CHECK(plan.find("scan")->params["image"] == json{{"$ref", "build.a"}, {"path", "/ref"}});
  CHECK(resolve_references(plan.find("scan")->params["list"], [](const std::string&) {
          static const json outputs = {{"branch", "main"}};
          return &outputs;
        }) == json{"x-main"});
  CHECK_THROWS_WITH(
      make_plan(
          spec_of("images: {a: {}}\nsteps: [{name: x, run: a, after: y}, {name: y, run: a, after: x}]\n")),
      "steps wait for each other: x → y → x");
}

TEST_CASE("images of elsewhere are pulled by a step, or answered by a mirror", "[plan]") {
  const auto plan = make_plan(spec_of(R"(images: {app: {}, pg: {uses: debian, with: {packages: [postgresql]}}}
registry: {url: "localhost:5000/shop", mirrors: {"docker.io/library/postgres:15": {image: pg}, docker.io: "localhost:5000/hub"}}
backing: {db: {image: "postgres:15"}, cache: {image: "redis:7"}}
tests: {t: {image: app, run: "true", services: [db, cache]}}
)"));
  CHECK(needs(plan, "test.t") == std::set<std::string>{"build.app", "build.pg", "pull.redis-7"});
  CHECK(plan.find("pull.redis-7")->params ==
        json{{"reference", "docker.io/library/redis:7"}, {"mirrors", {{"docker.io", "localhost:5000/hub"}}}});
}

TEST_CASE("base images are read from a Dockerfile", "[plan]") {
  CHECK(*base_images("FROM --platform=linux/amd64 gcc:12 AS build\nRUN make\nFROM debian:bookworm-slim\nCOPY "
                     "--from=build /a /a\n"
                     "COPY --from=busybox /b /b\nCOPY --from=0 /c /c\n") ==
        std::vector<std::string>{"docker.io/library/busybox:latest", "docker.io/library/debian:bookworm-slim",
                                 "docker.io/library/gcc:12"});
  CHECK_FALSE(base_images("ARG V=1\nFROM x:${V}\n"));
  CHECK(base_images("FROM scratch\n")->empty());
}
