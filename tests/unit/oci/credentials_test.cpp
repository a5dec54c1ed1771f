// Logins as docker, podman and their helpers keep them.
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/registry_client.h"
#include "support/env_var.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

// A home without any login, and a folder of programs that comes first.
struct Home {
  TempDir dir{fs::temp_directory_path(), "slipway-logins-"};
  EnvVar home{"HOME", dir.path().string()};
  EnvVar docker{"DOCKER_CONFIG", std::nullopt}, auth{"DOCKER_AUTH_CONFIG", std::nullopt},
      file{"REGISTRY_AUTH_FILE", std::nullopt}, runtime{"XDG_RUNTIME_DIR", std::nullopt};
  EnvVar path{"PATH", (dir.path() / "bin").string() + ":/usr/bin:/bin"};

  void helper(const std::string& name, const std::string& script) const {
    const auto program = dir.path() / "bin" / ("docker-credential-" + name);
    make_dirs(program.parent_path());
    write_file_atomic(program, "#!/bin/sh\n" + script, 0755);
  }
};

std::string login(const std::string& registry, const std::string& config) {
  const auto found = find_credentials(registry, config);
  return found.username + "/" + found.password.reveal();
}

Error complaint(const std::string& config) {
  try {
    find_credentials("r.example", config);
  } catch (const Error& e) {
    return e;
  }
  return Error(ExitCode::ok, "no error");
}

}  // namespace

TEST_CASE("a login is found under every name that a registry goes by", "[oci]") {
  const Home home;
  const auto with = [](const std::string& key) {
    return json{{"auths", {{key, {{"auth", "YWRhOnBhOnNz"}}}}}}.dump();
  };
  CHECK(login("r.example", with("r.example")) == "ada/pa:ss");
  CHECK(login("r.example", with("https://r.example")) == "ada/pa:ss");
  CHECK(login("docker.io", with("https://index.docker.io/v1/")) == "ada/pa:ss");
  CHECK(login("r.example", with("other.example")) == "/");
  CHECK(login("r.example:5000", with("r.example")) == "/");
  CHECK(login("r.example", "ada:pa:ss\n") == "ada/pa:ss");
  CHECK(login("r.example", R"({"auths":{"r.example":{"identitytoken":"t"}}})") == "<token>/t");
}

TEST_CASE("logins of the user's files: the nearest that knows the registry wins", "[oci]") {
  const Home home;
  const auto config = [](const std::string& registry, const std::string& user) {
    return json{{"auths", {{registry, {{"username", user}, {"password", "x"}}}}}}.dump();
  };
  CHECK(login("r.example", "") == "/");
  make_dirs(home.dir.path() / ".docker");
  write_file_atomic(home.dir.path() / ".docker/config.json", config("r.example", "file"));
  CHECK(login("r.example", "") == "file/x");
  const EnvVar other("DOCKER_AUTH_CONFIG", config("other.example", "variable"));
  CHECK(login("r.example", "") == "file/x");
  CHECK(login("other.example", "") == "variable/x");
  const EnvVar nearer("DOCKER_AUTH_CONFIG", config("r.example", "variable"));
  CHECK(login("r.example", "") == "variable/x");
}

TEST_CASE("credential helpers are asked as docker asks them", "[oci]") {
  const Home home;
  home.helper(
      "good",
      R"(read server; printf '{"ServerURL":"%s","Username":"ada","Secret":"of %s"}' $server $server)");
  CHECK(login("r.example", R"({"credsStore":"good"})") == "ada/of r.example");
  CHECK(login("docker.io", R"({"credsStore":"good"})") == "ada/of https://index.docker.io/v1/");
  CHECK(login("r.example", R"({"credHelpers":{"r.example":"good"},"credsStore":"bad"})") ==
        "ada/of r.example");
  home.helper("empty", "echo 'credentials not found in native keychain'; exit 1");
  CHECK(login("r.example", R"({"credsStore":"empty"})") == "/");
}

TEST_CASE("a helper that fails is told without what it printed", "[oci]") {
  const Home home;
  home.helper("loud", "echo the-secret; echo the-secret >&2; exit 3");
  const auto failed = complaint(R"({"credsStore":"loud"})");
  CHECK(failed.code() == ExitCode::auth);
  CHECK(failed.str() ==
        "`docker-credential-loud` failed with exit 3\n"
        "  hint: run `echo r.example | docker-credential-loud get` to see why");
  home.helper("odd", "echo the-secret");
  CHECK(complaint(R"({"credsStore":"odd"})").str() == "`docker-credential-odd` answers no JSON");
  for (const char* name : {"../../bin/sh", "a b", ".."}) {
    const auto refused = complaint(json{{"credsStore", name}}.dump());
    CHECK(refused.code() == ExitCode::usage);
    CHECK(refused.message() == fmt::format("`{}` is no name of a credential helper", name));
  }
  CHECK(complaint("{\"auths\":").str() ==
        "the secret with the registry's login is no JSON object\n  hint: it has the form of docker's "
        "config.json");
  CHECK(complaint("no pair").str() ==
        "the secret with the registry's login cannot be read\n  hint: it holds "
        "`user:password`, or JSON as in ~/.docker/config.json");
}
