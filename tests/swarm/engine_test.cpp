// The Engine's API against a real one: by its socket, over TLS, and what is said when it is not there.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "oci/engine_api.h"
#include "support/docker_engine.h"
#include "support/env_var.h"
#include "support/own_network.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;
using oci::EngineApi;
using oci::find_engine;

namespace {

Error refused(const oci::EngineChoice& choice) {
  try {
    EngineApi engine(find_engine(choice), {});
    engine.get("/services");
  } catch (const Error& e) {
    return e;
  }
  FAIL("it was not refused");
  return {ExitCode::ok, ""};
}

}  // namespace

TEST_CASE("a Docker Engine is reached by its socket and over TLS, and says when it is no manager",
          "[swarm]") {
  if (!DockerEngine::possible()) return;
  const OwnNetwork network;
  DockerEngine engine({.tls = true});
  const auto no_manager = refused({engine.host(), "", {}});
  CHECK(no_manager.code() == ExitCode::unavailable);
  CHECK(no_manager.message() ==
        fmt::format("the Docker Engine at {} is no manager of a swarm", engine.host()));
  CHECK(no_manager.hint().find("docker swarm init") != std::string::npos);
  engine.init_swarm();
  {
    EngineApi api(find_engine({engine.host(), "", {}}), {});
    CHECK(api.version() == "1.41");
    CHECK(api.get("/info").at("Swarm").at("ControlAvailable") == true);
    CHECK_FALSE(api.find("/services/none"));
  }
  const auto files = engine.certificates();
  {
    EnvVar host("DOCKER_HOST", engine.tcp()), verify("DOCKER_TLS_VERIFY", "1"),
        path("DOCKER_CERT_PATH", files.string());
    EngineApi api(find_engine({}), {});
    CHECK(api.get("/services").empty());
  }
  const auto plain = refused({engine.tcp(), "", {}});
  CHECK(plain.code() == ExitCode::usage);
  CHECK(plain.hint().find("this engine speaks TLS") != std::string::npos);
  const auto stranger = refused({engine.tcp(), "", {files / "ca.pem", "", ""}});
  CHECK(stranger.code() == ExitCode::unavailable);
  const auto untrusted = refused({engine.tcp(), "", {"", files / "cert.pem", files / "key.pem"}});
  CHECK(untrusted.message().find("is not trusted") != std::string::npos);
  engine.stop();
  const auto gone = refused({engine.host(), "", {}});
  CHECK(gone.code() == ExitCode::unavailable);
  CHECK(gone.hint().find("start the Docker Engine there") != std::string::npos);
}

TEST_CASE("a Docker Engine on another machine is reached by ssh, or told why not", "[swarm]") {
  if (!DockerEngine::possible() || !have("sshd") || !have("ssh")) return;
  const OwnNetwork network;
  const DockerEngine engine;
  engine.init_swarm();
  const TempDir dir(fs::temp_directory_path(), "slipway-ssh-");
  const auto& path = dir.path();
  for (const char* key : {"host", "user"}) {
    Command make;
    make.argv = {"ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", (path / key).string()};
    run_capture(make);
  }
  fs::copy_file(path / "user.pub", path / "authorized");
  const int port = free_port();
  write_file_atomic(
      path / "sshd_config",
      fmt::format("ListenAddress 127.0.0.1:{1}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n"
                  "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n",
                  path.string(), port));
  make_dirs("/run/sshd");  // sshd refuses to start as root without it
  Command server;
  server.argv = {find_program("sshd").value_or("sshd").string(), "-D", "-e", "-f",
                 (path / "sshd_config").string()};
  const Child sshd(server);
  // The user's own ssh, with a configuration of the test's.
  write_file_atomic(
      path / "config",
      fmt::format("Host *\n  IdentityFile {0}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {0}/known\n"
                  "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
                  path.string()));
  make_dirs(path / "bin");
  write_file_atomic(
      path / "bin/ssh",
      fmt::format("#!/bin/sh\nexec {} -F {}/config \"$@\"\n", find_program("ssh")->string(), path.string()),
      0755);
  const EnvVar search("PATH", (path / "bin").string() + ":" + std::getenv("PATH"));
  const auto place = fmt::format("ssh://root@127.0.0.1:{}{}", port, engine.socket().string());
  Error stranger(ExitCode::ok, "");
  REQUIRE(eventually([&] {
    stranger = refused({place, "", {}});
    return stranger.detail().find("refused") == std::string::npos;
  }));
  CHECK(stranger.code() == ExitCode::auth);
  CHECK(stranger.detail().find("verification failed") != std::string::npos);
  CHECK(stranger.hint() == "`ssh root@127.0.0.1 docker version` must work without a question");
  const auto key = read_file(path / "host.pub");
  write_file_atomic(path / "known", fmt::format("[127.0.0.1]:{} {}", port, key));
  EngineApi api(find_engine({place, "", {}}), {});
  CHECK(api.get("/info").at("Swarm").at("ControlAvailable") == true);
}
