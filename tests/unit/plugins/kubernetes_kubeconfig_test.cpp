// kubeconfig files as kubectl reads them.
#include "plugins/kubernetes/kubeconfig.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "support/env_var.h"
#include "sys/base64.h"

using namespace slipway;
using namespace slipway::kubernetes;
using namespace slipway::test;

namespace {

struct Files {
  TempDir dir{fs::temp_directory_path(), "slipway-kubeconfig-"};
  fs::path write(const std::string& name, const std::string& text) const {
    make_dirs((dir.path() / name).parent_path());
    write_file_atomic(dir.path() / name, text, 0600);
    return dir.path() / name;
  }
};

std::string refusal(const Wanted& wanted) {
  try {
    find_connection(wanted);
  } catch (const Error& e) {
    return e.str();
  }
  return "";
}

}  // namespace

TEST_CASE("several files are one: the first that names something wins, paths are beside their file",
          "[kubernetes]") {
  Files files;
  files.write("a/ca.pem", "CA of a");
  const auto a = files.write(
      "a/config",
      "clusters: [{name: one, cluster: {server: \"https://a:6443/\", certificate-authority: ca.pem}}]\n"
      "contexts: [{name: x, context: {cluster: one, user: me, namespace: shop}}]\n");
  const auto b = files.write("b/config",
                             "clusters: [{name: one, cluster: {server: \"https://b\"}}]\n"
                             "users: [{name: me, user: {token: secret-token}}]\ncurrent-context: x\n");
  EnvVar list("KUBECONFIG",
              (a.string() + ":" + (files.dir.path() / "gone").string() + "::" + b.string()).c_str());
  const auto connection = find_connection({});
  CHECK(connection.server == "https://a:6443");
  CHECK(connection.ca_pem == "CA of a");
  CHECK(connection.token.reveal() == "secret-token");
  CHECK(connection.name_space == "shop");
  CHECK(connection.describe() == "cluster https://a:6443 (context `x`)");
  Wanted other;
  other.name_space = "else";
  CHECK(find_connection(other).name_space == "else");
  other.context = "xx";
  CHECK(refusal(other) == "the kubeconfig has no context `xx`\n  hint: did you mean `x`?");
}

TEST_CASE("data stands in place of files, and what contradicts itself is refused", "[kubernetes]") {
  Files files;
  const auto text = [&](const std::string& cluster, const std::string& user = "{}") {
    Wanted wanted;
    wanted.dir = files.dir.path();
    wanted.kubeconfig =
        files
            .write("config",
                   "clusters: [{name: c, cluster: " + cluster + "}]\nusers: [{name: u, user: " + user +
                       "}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n" + "current-context: x\n")
            .filename();
    return wanted;
  };
  const auto data = base64_encode("PEM");
  const auto good = find_connection(text(
      "{server: \"https://h\", certificate-authority-data: " + data + ", tls-server-name: n}",
      "{client-certificate-data: " + data + ", client-key-data: " + data + ", as: boss, as-groups: [a, b]}"));
  CHECK(good.ca_pem == "PEM");
  CHECK(good.cert_pem == "PEM");
  CHECK(good.key_pem.reveal() == "PEM");
  CHECK(good.tls_server_name == "n");
  CHECK(good.as.user == "boss");
  CHECK(good.as.groups == std::vector<std::string>{"a", "b"});
  CHECK(refusal(text("{server: \"https://h\", certificate-authority-data: \"%%\"}")).find("is no base64") !=
        std::string::npos);
  CHECK(refusal(text("{server: h}")).find("is no server's URL") != std::string::npos);
  CHECK(refusal(text("{server: \"https://u:p@h\"}")).find("is no server's URL") != std::string::npos);
  CHECK(refusal(text("{server: \"https://h\", insecure-skip-tls-verify: true, certificate-authority-data: " +
                     data + "}"))
            .find("one of both") != std::string::npos);
  CHECK(refusal(text("{server: \"https://h\"}", "{auth-provider: {name: gcp}}")).find("auth-provider") !=
        std::string::npos);
  CHECK(
      refusal(text("{server: \"https://h\"}", "{exec: {apiVersion: v0, command: x}}")).find("is not known") !=
      std::string::npos);
}

TEST_CASE("without a kubeconfig a pod's service account counts, and without that it says where it looked",
          "[kubernetes]") {
  Files files;
  EnvVar home("HOME", files.dir.path().c_str()), list("KUBECONFIG", std::nullopt);
  EnvVar host("KUBERNETES_SERVICE_HOST", std::nullopt), port("KUBERNETES_SERVICE_PORT", std::nullopt);
  CHECK(refusal({}).find("there is no kubeconfig") == 0);
  files.write("account/token", "t");
  files.write("account/ca.crt", "CA");
  files.write("account/namespace", "shop\n");
  EnvVar inside("KUBERNETES_SERVICE_HOST", "fd00::1"), secure("KUBERNETES_SERVICE_PORT", "443");
  EnvVar account("SLIPWAY_SERVICE_ACCOUNT_DIR", (files.dir.path() / "account").c_str());
  const auto connection = find_connection({});
  CHECK(connection.server == "https://[fd00::1]:443");
  CHECK(connection.name_space == "shop");
  CHECK(connection.token_file == files.dir.path() / "account/token");
  CHECK(connection.describe() == "cluster https://[fd00::1]:443");
}
