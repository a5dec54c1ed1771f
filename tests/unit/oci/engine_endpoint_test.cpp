// Where a Docker Engine is looked for, and what is never handed to ssh.
#include "oci/engine_endpoint.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/engine_api.h"
#include "support/env_var.h"
#include "sys/digest.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::oci;
using slipway::test::EnvVar;

TEST_CASE("an engine is where the spec, a context or the environment says", "[engine]") {
  const TempDir dir(fs::temp_directory_path());
  EnvVar host("DOCKER_HOST", std::nullopt), context("DOCKER_CONTEXT", std::nullopt),
      verify("DOCKER_TLS_VERIFY", std::nullopt), config("DOCKER_CONFIG", dir.path().string());
  CHECK(find_engine({}).host == "unix:///var/run/docker.sock");
  CHECK(find_engine({"ssh://me@build.example.com:2222", "", {}}).host == "ssh://me@build.example.com:2222");

  const auto id = Digest::of("far").hex();
  make_dirs(dir.path() / "contexts/meta" / id);
  make_dirs(dir.path() / "contexts/tls" / id / "docker");
  write_file_atomic(
      dir.path() / "contexts/meta" / id / "meta.json",
      R"({"Name": "far", "Endpoints": {"docker": {"Host": "tcp://10.0.0.5:2376", "SkipTLSVerify": true}}})");
  write_file_atomic(dir.path() / "contexts/tls" / id / "docker/ca.pem", "x");
  const auto far = find_engine({"", "far", {}});
  CHECK(far.host == "tcp://10.0.0.5:2376");
  CHECK(far.tls.ca == dir.path() / "contexts/tls" / id / "docker/ca.pem");
  CHECK_FALSE(far.verify);
  CHECK_THROWS_WITH(find_engine({"", "fra", {}}), "docker has no context `fra`");
  write_file_atomic(dir.path() / "config.json", R"({"currentContext": "far"})");
  CHECK(find_engine({}).host == "tcp://10.0.0.5:2376");
  EnvVar given("DOCKER_HOST", "tcp://10.0.0.6:2375");
  CHECK(find_engine({}).host == "tcp://10.0.0.6:2375");
  EnvVar asked("DOCKER_TLS_VERIFY", "1");
  CHECK_THROWS_WITH(find_engine({}), "DOCKER_TLS_VERIFY is set, and there are no certificates");
  CHECK_THROWS_WITH(find_engine({"http://x", "", {}}), "`http://x` is no place of a Docker Engine");
}

TEST_CASE("the parts of an ssh place, and none that ssh takes for an option", "[engine]") {
  const auto place = parse_ssh("ssh://me@build.example.com:2222/run/user/1000/docker.sock");
  CHECK(place.user == "me");
  CHECK(place.host == "build.example.com");
  CHECK(place.port == "2222");
  CHECK(place.socket == "/run/user/1000/docker.sock");
  CHECK(parse_ssh("ssh://build").socket == "/var/run/docker.sock");
  for (const char* bad : {"ssh://-oProxyCommand=x/y", "ssh://me@-oProxyCommand=x", "ssh://-l@host", "ssh://",
                          "ssh://host:22x", "ssh://a b", "ssh://me;x@host", "ssh://host/a:b"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_ssh(bad), Error);
  }
}

TEST_CASE("the frames of an engine's log, however they are cut", "[engine]") {
  const std::string bytes = std::string(
      "\x01\0\0\0\0\0\0\x03"
      "out\x02\0\0\0\0\0\0\x04"
      "err\n",
      23);
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    LogFrames frames;
    std::string out, err;
    for (std::size_t at = 0; at < bytes.size(); at += step)
      frames.feed(std::string_view(bytes).substr(at, step),
                  [&](std::string_view text, bool error) { (error ? err : out) += text; });
    CHECK(out == "out");
    CHECK(err == "err\n");
  }
}
