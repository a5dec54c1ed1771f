// Every way into a cluster that a kubeconfig can describe, against a real API server.
#include <catch2/catch.hpp>

#include "base/error.h"
#include "support/http_server.h"
#include "support/kube_shop.h"
#include "sys/base64.h"
#include "sys/process.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

constexpr const char* kToken = "deployer-token-of-the-test";

struct Ways {
  KubeShop shop;
  fs::path dir = shop.cluster.kubeconfig("deployer").parent_path();  // the cluster's own certificates

  // A client certificate of `deployer` that ends after so many days; below 0: it has.
  void certificate(const std::string& name, int days) const {
    const auto call = [&](std::vector<std::string> argv) {
      Command command;
      command.argv = std::move(argv);
      command.cwd = shop.user.dir() / "shop";
      run_capture(command);
    };
    call({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
          "-subj", "/CN=deployer", "-keyout", name + ".key", "-out", name + ".csr"});
    shop.user.write("shop/client.ext", "extendedKeyUsage=clientAuth\n");
    std::vector<std::string> sign = {"openssl",
                                     "x509",
                                     "-req",
                                     "-in",
                                     name + ".csr",
                                     "-CA",
                                     (dir / "ca.crt").string(),
                                     "-CAkey",
                                     (dir / "ca.key").string(),
                                     "-CAserial",
                                     "serial",
                                     "-CAcreateserial",
                                     "-extfile",
                                     "client.ext",
                                     "-out",
                                     name + ".crt",
                                     "-days",
                                     std::to_string(days)};
    call(sign);
  }
  // A kubeconfig of one context, and what `slipway status` makes of it.
  Ran ask(const std::string& user, const std::string& cluster = "", const std::string& server = "") const {
    write("shop/config", user, cluster, server);
    return shop.slipway({"status"});
  }
  void write(const std::string& file, const std::string& user, const std::string& cluster = "",
             const std::string& server = "") const {
    const auto ca =
        cluster.find("insecure") == std::string::npos && cluster.find("certificate") == std::string::npos
            ? fmt::format(", certificate-authority: \"{}\"", (dir / "ca.crt").string())
            : "";
    shop.user.write(file, fmt::format("clusters: [{{name: c, cluster: {{server: \"{}\"{}{}}}}}]\n"
                                      "users: [{{name: u, user: {}}}]\n"
                                      "contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n"
                                      "current-context: x\n",
                                      server.empty() ? shop.cluster.server() : server, ca, cluster, user));
    fs::permissions(shop.user.dir() / file, fs::perms::owner_read | fs::perms::owner_write);
  }
  void spec(const std::string& more) const {
    shop.user.write("shop/slipway.yaml",
                    "version: 1\nname: shop\nimages: {web: {context: web}}\nregistry: {url: \"" +
                        shop.registry.host() +
                        "/shop\"}\nservices: {web: {image: web, port: 8080}}\nenvironments:\n"
                        "  test: {target: {kind: kubernetes, namespace: shop" +
                        more + "}}\n");
  }
};

}  // namespace

TEST_CASE("every way that a kubeconfig describes leads into the cluster", "[kubernetes]") {
  if (!have_cluster()) return;
  Ways ways;
  const auto& user = ways.shop.user;
  ways.spec(", kubeconfig: config");
  const auto good = [&](const std::string& who, const std::string& cluster = "",
                        const std::string& server = "") {
    INFO(who << cluster);
    const auto ran = ways.ask(who, cluster, server);
    INFO(ran.err);
    CHECK(ran.code == 0);
  };
  const std::string token = std::string("{token: ") + kToken + "}";
  good(token);
  user.write("shop/token", std::string(kToken) + "\n");
  good("{tokenFile: token}");
  ways.certificate("client", 1);
  good("{client-certificate: client.crt, client-key: client.key}");
  const auto data = [&](const char* name) { return base64_encode(read_file(user.dir() / "shop" / name)); };
  good(fmt::format("{{client-certificate-data: {}, client-key-data: {}}}", data("client.crt"),
                   data("client.key")));
  // The CA as data; the server by another name of its certificate; not looked at where that is written.
  good(token, ", certificate-authority-data: " + base64_encode(read_file(ways.dir / "ca.crt")));
  good(token, ", tls-server-name: localhost");
  good(token, ", insecure-skip-tls-verify: true",
       "https://localhost:" + ways.shop.cluster.server().substr(18));
  // The administrator as the deployer; and as somebody who may nothing here.
  good("{token: admin-token-of-the-test, as: deployer, as-groups: [system:authenticated]}");
  const auto nobody = ways.ask("{token: admin-token-of-the-test, as: nobody}");
  CHECK(nobody.code == 3);
  CHECK(contains(nobody.err, "User \"nobody\" cannot"));
  // Programs of both versions, with a token and with a certificate, beside the kubeconfig.
  user.write(
      "shop/bin/login",
      "#!/bin/sh\nprintf '{\"apiVersion\": \"%s\", \"kind\": \"ExecCredential\", \"status\": {\"token\": "
      "\"%s\"}}' \"$1\" \"$TOKEN\"\n");
  fs::permissions(user.dir() / "shop/bin/login", fs::perms::owner_all);
  for (const char* version : {"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})
    good(fmt::format(
        "{{exec: {{apiVersion: {0}, command: ./bin/login, args: [{0}], interactiveMode: Never, env: "
        "[{{name: TOKEN, value: {1}}}]}}}}",
        version, kToken));
  user.write("shop/cert.json", json{{"status",
                                     {{"clientCertificateData", read_file(user.dir() / "shop/client.crt")},
                                      {"clientKeyData", read_file(user.dir() / "shop/client.key")}}}}
                                   .dump());
  good("{exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, args: [\"" +
       (user.dir() / "shop/cert.json").string() + "\"]}}");
  // A proxy that is written there is the only way, whatever the environment excepts.
  ways.shop.user.env["NO_PROXY"] = "127.0.0.1";
  const auto proxied = ways.ask(token, fmt::format(", proxy-url: \"http://127.0.0.1:{}\"", free_port()));
  CHECK(proxied.code == 6);
  ways.shop.user.env.erase("NO_PROXY");

  // Several files: the first that names something wins.
  ways.spec("");
  ways.write("shop/first", "{token: wrong}");
  user.write("shop/second", "users: [{name: u, user: {token: other}}]\ncurrent-context: x\n");
  auto& env = ways.shop.user.env;
  env["KUBECONFIG"] = (user.dir() / "shop/gone").string() + ":" + (user.dir() / "shop/first").string() + ":" +
                      (user.dir() / "shop/second").string();
  CHECK(ways.shop.slipway({"status"}).code == 3);
  ways.write("shop/first", token);
  CHECK(ways.shop.slipway({"status"}).code == 0);
  env.erase("KUBECONFIG");

  // In a pod: the service account's token, its CA and its namespace.
  user.write("shop/account/token", std::string(kToken) + "\n");
  user.write("shop/account/ca.crt", read_file(ways.dir / "ca.crt"));
  user.write("shop/account/namespace", "shop\n");
  env["KUBERNETES_SERVICE_HOST"] = "127.0.0.1";
  env["KUBERNETES_SERVICE_PORT"] = ways.shop.cluster.server().substr(18);
  env["SLIPWAY_SERVICE_ACCOUNT_DIR"] = (user.dir() / "shop/account").string();
  const auto inside = ways.shop.slipway({"status"});
  INFO(inside.err);
  CHECK(inside.code == 0);
}

TEST_CASE("credentials that are over, or are renewed on the way, are told and used", "[kubernetes]") {
  if (!have_cluster()) return;
  Ways ways;
  const auto& user = ways.shop.user;
  ways.spec(", kubeconfig: config");
  const auto refused = [&](const std::string& who, int code, const std::string& words) {
    INFO(words);
    const auto ran = ways.ask(who);
    INFO(ran.err);
    CHECK(ran.code == code);
    CHECK(contains(ran.err, words));
  };
  ways.certificate("old", 0);  // over in the second in which it is made
  CHECK(eventually([&] {
    return contains(ways.ask("{client-certificate: old.crt, client-key: old.key}").err,
                    "its client certificate ended on ");
  }));
  refused("{client-certificate: old.crt, client-key: old.key}", 3, "its client certificate ended on ");
  refused("{token: e30.eyJleHAiOjE2MDAwMDAwMDB9.x}", 3, "its token ended on 2020-09-13");
  refused("{client-certificate: gone.crt, client-key: gone.key}", 2, "gone.crt` of the kubeconfig");
  refused("{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}}", 3,
          "asks a person at a terminal");
  refused("{token: x, as-groups: [a]}", 2, "without `as`");

  // A program whose first token is refused is asked for another.
  user.write("shop/bin/login",
             "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho x >>runs\nif [ -e second ]; then token=" +
                 std::string(kToken) +
                 "; else token=stale; fi\ntouch second\n"
                 "printf '{\"status\": {\"token\": \"%s\"}}' \"$token\"\n");
  fs::permissions(user.dir() / "shop/bin/login", fs::perms::owner_all);
  const auto ran = ways.ask("{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login}}");
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(read_file(user.dir() / "shop/bin/runs") == "x\nx\n");
}

TEST_CASE("what is no API server, or none any more, is told and nothing is done", "[kubernetes]") {
  if (!have_cluster()) return;
  Ways ways;
  ways.spec(", kubeconfig: config");
  const std::string token = std::string("{token: ") + kToken + "}";
  const auto refused = [&](const Ran& ran, int code, const std::string& words) {
    INFO(words);
    INFO(ran.err);
    CHECK(ran.code == code);
    CHECK(contains(ran.err, words));
  };
  const std::string page = "<html><body>Sign in</body></html>";
  const auto answers = [&](int status) {
    return [&page, status](const Asked&) {
      return Reply{status, {{"Content-Type", "text/html"}}, page, std::nullopt, false};
    };
  };
  const HttpServer portal(answers(200)), wall(answers(403));
  refused(ways.ask(token, "", "http://" + portal.host()), 6, "does not answer in JSON");
  refused(ways.ask(token, "", "http://" + wall.host()), 3, "with a web page");
  fs::remove(ways.shop.user.dir() / "shop/config");
  refused(ways.shop.slipway({"status"}), 2, "there is no kubeconfig `");

  // One that takes the question and never answers.
  const auto slow = ways.shop.cluster.break_by(R"([{"on": "/configmaps/", "times": 100000, "do": "stall"}])");
  ways.write("shop/config", token, "", slow);
  refused(ways.shop.slipway({"status"}), 6, "while asking the cluster");
}
