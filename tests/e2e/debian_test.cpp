// Images of Debian packages, made by mmdebstrap from this machine's mirror.
#include <catch2/catch.hpp>

#include "support/slipway.h"

using namespace slipway;
using slipway::test::User;

namespace {

bool ready() {
  return test::have_root() && test::have_runtime() && test::have("mmdebstrap");
}

}  // namespace

TEST_CASE("an image of packages runs what is in them, and is made once", "[e2e][debian]") {
  if (!ready()) return;
  const User user;
  user.write("slipway.yaml", R"(version: 1
name: packages
registry:
  mirrors:
    docker.io/library/tool:1: {image: tool}
images:
  tool:
    uses: debian
    with:
      packages: [redis-server]
      links: {/usr/local/bin/cache: /usr/bin/redis-server}
      remove: [/etc/redis/redis.conf]
      files:
        /usr/local/bin/hello: {mode: "0755", content: "#!/bin/sh\necho hello from a file\n"}
      config: {cmd: [cache], exposed_ports: ["6379"], env: {A: b}}
  user: {source: app}
sources:
  app: {path: app}
)");
  user.write("app/Dockerfile",
             "FROM tool:1\nRUN hello && cache --version && echo A=$A && ls /etc/redis /var/lib/apt /run\n");
  const auto first = user.slipway({"build", "--progress", "plain"});
  INFO(first.err);
  REQUIRE(first.code == 0);
  CHECK_THAT(first.err, Catch::Contains("hello from a file") && Catch::Contains("Redis server v=") &&
                            Catch::Contains("A=b") && !Catch::Contains("redis.conf"));
  // Neither the engine's cache nor the plugin's own makes it again.
  const auto second = user.slipway({"build"});
  CHECK(second.out == first.out);
  CHECK_THAT(second.err, !Catch::Contains("mmdebstrap") && !Catch::Contains("installing"));
}

TEST_CASE("a package that does not exist is named", "[e2e][debian]") {
  if (!ready()) return;
  const User user;
  user.write("slipway.yaml",
             "version: 1\nname: p\nimages:\n  x:\n    uses: debian\n    with: {packages: "
             "[no-such-package-at-all]}\n");
  const auto ran = user.slipway({"build"});
  CHECK(ran.code == 1);
  CHECK_THAT(ran.err, Catch::Contains("there is no package `no-such-package-at-all` in `"));
}
