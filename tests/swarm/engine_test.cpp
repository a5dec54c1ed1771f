// The Engine's API against a real one: by its socket, over TLS, and what is said when it is not there.
#include <catch2/catch.hpp>

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
