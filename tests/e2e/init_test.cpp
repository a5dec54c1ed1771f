// slipway init, check and schema as a user meets them.
#include <catch2/catch.hpp>

#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

TEST_CASE("every template is laid out as a valid project of its own", "[init]") {
  const std::string name = GENERATE("shop", "python-flask", "node", "go", "cpp", "static");
  User user;
  const auto made = user.slipway({"init", "--template", name, "my-app"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK(made.out.find("next   cd my-app && slipway run\n") != std::string::npos);
  const auto checked = user.slipway({"check", "-o", "json"}, "my-app");
  REQUIRE(checked.code == 0);
  CHECK(json::parse(checked.out)["name"] == (name == "shop" ? "shop" : "my-app"));
  CHECK(
      json::parse(read_file(user.dir() / "my-app/.slipway/schema.json"))["properties"].contains("services"));
  if (name == "shop")
    for (const char* service : {"users", "orders", "gateway"})
      CHECK(fs::exists(user.dir() / "my-app" / service / ".git/HEAD"));
  // Nothing of the user's is replaced.
  const auto again = user.slipway({"init", "--template", name, "my-app"});
  CHECK(again.code == 2);
  CHECK(again.err.find("already") != std::string::npos);
}

TEST_CASE("init writes a spec for what a folder holds", "[init]") {
  User user;
  user.write("work/api/Dockerfile", "FROM scratch\nEXPOSE 9000/tcp\n");
  user.write("work/web/package.json", R"({"main": "main.js", "dependencies": {"a": "1"}})");
  user.write("work/web/main.js", "server.listen(process.env.PORT || 3000)\n");
  user.write("work/node_modules/x/package.json", "{}");
  const auto made = user.slipway({"init"}, "work");
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK(made.out ==
        "found  api/Dockerfile  web/package.json\nwrote  web/Dockerfile  web/.dockerignore  slipway.yaml  "
        ".gitignore\nnext   slipway run\n");
  CHECK(read_file(user.dir() / "work/web/Dockerfile") ==
        "FROM node:18\nWORKDIR /app\nCOPY package.json .\nRUN npm install --omit=dev\nCOPY . .\nUSER "
        "1000\nCMD [\"node\", \"main.js\"]\n");
  const auto spec = read_file(user.dir() / "work/slipway.yaml");
  CHECK(spec.find("name: work\n") != std::string::npos);
  CHECK(spec.find("    port: 9000\n") != std::string::npos);
  CHECK(spec.find("    port: 3000\n") != std::string::npos);
  CHECK(user.slipway({"check"}, "work/api").code == 0);
}

TEST_CASE("init writes images of Debian packages for the bases of the Dockerfiles it wrote", "[init]") {
  User user;
  user.write("work/python/requirements.txt", "Flask>=2\n# none\npsycopg2\nPyYAML\nof-nobody-else==1\n");
  user.write("work/jobs/requirements.txt", "redis\nflask\n");
  user.write("work/web/go.mod", "module web\n");
  REQUIRE(user.slipway({"init"}, "work").code == 0);
  const auto spec = read_file(user.dir() / "work/slipway.yaml");
  CHECK_THAT(spec, Catch::Contains(R"(registry:
  mirrors:
    docker.io/library/python:3.11: {image: python-base}
    docker.io/library/golang:1.19: {image: golang}

images:
  python-base:
    uses: debian
    with:
      packages: [python3, python3-pip, python3-redis, python3-flask, python3-psycopg2, python3-yaml]
      links: {/usr/local/bin/python: /usr/bin/python3}
      remove: [/usr/lib/python3.11/EXTERNALLY-MANAGED]
  golang:
    uses: debian
    with:
      packages: [golang-go, ca-certificates]
      config: {env: {GOCACHE: /tmp/go-cache, GOPATH: /go}}
  jobs: {context: "jobs"}
)"));
}

TEST_CASE("init where there is nothing to build says what to do", "[init]") {
  User user;
  user.write("empty/readme", "x");
  const auto made = user.slipway({"init"}, "empty");
  CHECK(made.code == 2);
  CHECK(made.err ==
        "slipway: `.` holds no Dockerfile, requirements.txt, package.json, go.mod or CMakeLists.txt\n"
        "  hint: start from a sample: `slipway init --template python-flask DIR` (or cpp, go, node, shop, "
        "static)\n");
  CHECK(user.slipway({"init", "-t", "pyhton-flask", "x"}).err ==
        "slipway: there is no template `pyhton-flask`\n  hint: did you mean `python-flask`?\n");
}

TEST_CASE("check names every mistake and ends with 2", "[init]") {
  User user;
  user.write("slipway.yaml",
             "version: 1\nname: a\nservices:\n  web: {image: wep, prot: 1}\nimages: {web: {}}\n");
  const auto checked = user.slipway({"check"});
  CHECK(checked.code == 2);
  CHECK(checked.out.empty());
  CHECK(checked.err == R"(slipway: slipway.yaml:4:16: there is no image `wep`
     4 |   web: {image: wep, prot: 1}
       |                ^~~
  hint: did you mean `web`?
slipway.yaml:4:21: unknown key `prot` in service
     4 |   web: {image: wep, prot: 1}
       |                     ^~~~
  hint: did you mean `port`?
)");
  const auto none = user.slipway({"check", "-f", "none.yaml"});
  CHECK(none.code == 2);
  CHECK(none.err ==
        "slipway: there is no spec `none.yaml`\n  hint: `slipway init` writes one for the folder it is "
        "called in\n");
}
