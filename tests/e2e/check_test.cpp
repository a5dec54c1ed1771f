// Specs that are wrong, as a user meets them: what, where, what next, exit code 2, and nothing is run.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <sstream>

#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

namespace {

Ran check(const User& user, const std::string& text) {
  user.write("slipway.yaml", text);
  return user.slipway({"check"});
}

}  // namespace

TEST_CASE("a spec that is not there, or no spec, says what to do", "[check]") {
  User user;
  const auto missing = user.slipway({"run"});
  CHECK(missing.code == 2);
  CHECK(missing.err ==
        "slipway: there is no slipway.yaml here or in a folder above\n"
        "  hint: `slipway init` writes one for this folder; -f names another file\n");
  const auto named = user.slipway({"-f", "other.yaml", "run"});
  CHECK(named.code == 2);
  CHECK(named.err.find("there is no spec `other.yaml`") != std::string::npos);
  fs::create_directories(user.dir() / "folder");
  CHECK(user.slipway({"-f", "folder", "run"}).err.find("`") != std::string::npos);
  CHECK(user.slipway({"-f", "folder", "run"}).code == 2);
}

TEST_CASE("what is no mapping is told with its place", "[check]") {
  User user;
  for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
           {"- a\n- b\n", "slipway.yaml:1:1: a spec is a mapping, not a list"},
           {"just words\n", "slipway.yaml:1:1: a spec is a mapping, not"},
           {"", "slipway.yaml:1:1: the file is empty"},
           {"version: 1\nname: [\n", "slipway.yaml:3:1: "},
           {std::string("version: 1\n\0", 12), "a NUL byte"}}) {
    INFO(text);
    const auto ran = check(user, text);
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.err.find(says) != std::string::npos);
  }
}

TEST_CASE("all mistakes come at once, each with its place, its line and a way out", "[check]") {
  User user;
  const auto ran = check(user, R"(version: 1
name: shop
images:
  web: {context: .}
services:
  site: {image: wbe, replicas: many, port: 80, port: 81}
  shop: {image: web, healthcheck: {grpc: 1}}
timeout: 5 parsecs
)");
  CHECK(ran.code == 2);
  CHECK(ran.err == R"(slipway: slipway.yaml:6:17: there is no image `wbe`
     6 |   site: {image: wbe, replicas: many, port: 80, port: 81}
       |                 ^~~
  hint: did you mean `web`?
slipway.yaml:6:32: this must be a whole number from 0 to 1000, not `many`
     6 |   site: {image: wbe, replicas: many, port: 80, port: 81}
       |                                ^~~~
slipway.yaml:6:48: the key `port` stands here twice
     6 |   site: {image: wbe, replicas: many, port: 80, port: 81}
       |                                                ^~~~
  hint: the first one is at slipway.yaml:6:38
slipway.yaml:7:36: `grpc` is not built yet: probes of the gRPC health protocol
     7 |   shop: {image: web, healthcheck: {grpc: 1}}
       |                                    ^~~~
  hint: take it out: slipway does not ignore what it cannot do
slipway.yaml:8:1: unknown key `timeout` in spec
     8 | timeout: 5 parsecs
       | ^~~~~~~
)");
}

TEST_CASE("a URL or ref that would be an option or a program to git is refused before anything runs",
          "[check]") {
  User user;
  const auto ran = check(user, R"(version: 1
name: shop
sources:
  a: {git: "ext::sh -c touch% /tmp/x"}
  b: {git: "--upload-pack=touch x"}
  c: {git: "ssh://-oProxyCommand=touch x/shop"}
  d: {git: "https://git.example.com/shop.git", ref: "--output=x"}
  e: {path: ., ref: "-q"}
  f: {git: "https://git.example.com/shop.git", ref: release/2.x}
images: {web: {source: f}}
)");
  CHECK(ran.code == 2);
  for (const char* mistake :
       {"slipway.yaml:4:12: `ext::sh -c touch% /tmp/x` is no git URL: `ext::` would run a program",
        "slipway.yaml:5:12: `--upload-pack=touch x` is no git URL: it begins with `-`",
        "slipway.yaml:6:12: `ssh://-oProxyCommand=touch x/shop` is no git URL: its host begins with `-`",
        "slipway.yaml:7:53: `--output=x` is no branch, tag or commit: it begins with `-`",
        "slipway.yaml:8:21: `-q` is no branch, tag or commit: it begins with `-`"})
    CHECK_THAT(ran.err, Catch::Contains(mistake));
  CHECK_THAT(ran.err, !Catch::Contains("slipway.yaml:9:"));
}

TEST_CASE("a spec of the whole language names each key that is not built yet, once", "[check]") {
  User user;
  const auto ran = check(user, R"(version: 1
name: shop
inputs:
  env: {type: choice, options: [local, prod], default: local}
sources:
  shop: {path: .}
  orders: {git: "https://git.example.com/shop/orders.git", ref: release/2.x, submodules: true}
registry:
  url: registry.example.com/shop
  credentials: {secret: login}
  cache: "registry.example.com/shop/cache"
secrets:
  login: {file: ~/.config/registry.json}
backing:
  redis: {image: "redis:7", healthcheck: {test: [CMD, redis-cli, ping], interval: 2s}}
images:
  users:
    source: shop
    context: users
    secrets: [{id: netrc, env: NETRC}]
    platforms: [linux/amd64, linux/arm64]
    sbom: true
    sign: {key: login}
  users-test: {extends: users, target: test, push: false}
  users-more: {extends: users-test}
  orders: {source: orders, network: none, tags: ["${{ git.sha_short }}"]}
tests:
  unit: {image: users-test, run: pytest -q, inputs: [users/**], timeout: 5m}
  modes:
    image: orders
    matrix: {compression: [none, lz4]}
    env: {COMPRESSION: "${{ matrix.compression }}"}
    run: ctest
  contract:
    images: [users, orders]
    image: users-test
    run: {image: users-test, command: "pytest -q"}
services:
  users:
    image: users
    port: 8000
    healthcheck: {grpc: 8000}
environments:
  local: {target: {kind: local}}
steps:
  - name: purge
    run: ./purge
    if: ${{ env.name == 'prod' && changed('users') }}
notify: [{on: [failed], command: [./page.sh]}]
)");
  CHECK(ran.code == 2);
  INFO(ran.err);
  std::map<std::string, int> told;
  std::istringstream lines(ran.err);
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find("slipway.yaml:");
    if (at != std::string::npos) ++told[line.substr(at)];
  }
  CHECK_FALSE(told.empty());
  for (const auto& [line, times] : told) {
    INFO(line);
    CHECK(times == 1);
    CHECK_THAT(line, Catch::Contains("not built yet"));
  }
}

TEST_CASE("a spec that may not be read is named", "[check]") {
  if (!have("setpriv")) return;
  User user;
  user.write("slipway.yaml", "version: 1\nname: shop\n");
  fs::permissions(user.dir() / "slipway.yaml", fs::perms::none);
  auto command = user.command({"check"});
  // Root reads everything; without these capabilities it may what its files' modes say.
  if (::geteuid() == 0)
    command.argv.insert(command.argv.begin(),
                        {"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"});
  std::string said;
  const auto ran = run_process(command, [&](Stream, std::string_view text) { said += text; });
  CHECK(ran.status.code == 2);
  CHECK_THAT(said,
             Catch::Contains("slipway.yaml`: Permission denied") && Catch::StartsWith("slipway: cannot "));
}

TEST_CASE("a plugin that nobody has is told with a near one, before anything runs", "[check]") {
  User user;
  const std::string text = R"(version: 1
name: shop
images:
  base: {uses: debain, with: {packages: [redis]}}
steps:
  - {name: first, run: touch ran}
)";
  for (const std::string command : {"check", "run"}) {
    user.write("slipway.yaml", text);
    const auto ran = user.slipway({command});
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.err.find("slipway.yaml:4:3: unknown plugin `debain`\n  hint: did you mean `debian`?") !=
          std::string::npos);
    CHECK_FALSE(fs::exists(user.dir() / "ran"));
  }
}

TEST_CASE("what a file says does not steer the terminal", "[check]") {
  User user;
  const auto ran = check(user, "version: 1\nname: x\n\"\\e]0;owned\\a\\e[2J\": 1\n# \x1b[31m \x9b\n");
  CHECK(ran.code == 2);
  CHECK(ran.err.find('\x1b') == std::string::npos);
  CHECK(ran.err.find('\x9b') == std::string::npos);
  CHECK(ran.err.find('\a') == std::string::npos);
}
