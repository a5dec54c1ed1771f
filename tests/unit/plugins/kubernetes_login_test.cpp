// Who slipway is to an API server: tokens, certificates, credential programs, impersonation.
#include "plugins/kubernetes/login.h"

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "plugins/kubernetes/expiry.h"
#include "sys/base64.h"
#include "sys/process.h"

using namespace slipway;
using namespace slipway::kubernetes;
using nlohmann::json;

namespace {

// A credential program that counts its runs and prints what stands in `answer`.
struct Program {
  TempDir dir{fs::temp_directory_path(), "slipway-login-"};
  Connection connection;

  explicit Program(const std::string& api_version = "client.authentication.k8s.io/v1") {
    connection.server = "https://h:6443";
    ExecPlugin exec;
    exec.argv = {"sh", "-c",
                 "echo x >>runs; printf '%s' \"$KUBERNETES_EXEC_INFO\" >info; printf '%s' \"$MORE\" >more; "
                 "cat answer"};
    exec.argv[2] = "cd '" + dir.path().string() + "' && " + exec.argv[2];
    exec.env = {{"MORE", "of the kubeconfig"}};
    exec.api_version = api_version;
    connection.exec = exec;
  }
  void answer(const json& status, const std::string& api_version = "") const {
    json out = {{"kind", "ExecCredential"}, {"status", status}};
    out["apiVersion"] = api_version.empty() ? connection.exec->api_version : api_version;
    write_file_atomic(dir.path() / "answer", out.dump());
  }
  std::size_t runs() const { return read_file_if_exists(dir.path() / "runs").value_or("").size() / 2; }
};

std::string bearer(Login& login) {
  HttpRequest request;
  login.put_on(request);
  return request.headers["Authorization"];
}

std::string refusal(Login& login) {
  try {
    bearer(login);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::auth);
    return e.str();
  }
  return "";
}

}  // namespace

TEST_CASE("a credential program runs once until what it gave expires, and again after a 401",
          "[kubernetes]") {
  for (const char* version : {"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}) {
    INFO(version);
    Program program(version);
    Login login(program.connection);
    program.answer({{"token", "one"}});
    HttpRequest first;
    const int used = login.put_on(first);
    CHECK(first.headers["Authorization"] == "Bearer one");
    CHECK(bearer(login) == "Bearer one");
    CHECK(program.runs() == 1);
    CHECK(read_file(program.dir.path() / "more") == "of the kubeconfig");
    const auto info = json::parse(read_file(program.dir.path() / "info"));
    CHECK(info.at("apiVersion") == version);
    CHECK(info.at("spec") == json{{"interactive", false}});

    // Of many that were refused with the old token, one asks anew.
    program.answer({{"token", "two"}});
    CHECK(login.renew(used));
    CHECK(bearer(login) == "Bearer two");
    CHECK(login.renew(used));
    CHECK(bearer(login) == "Bearer two");
    CHECK(program.runs() == 2);
  }
}

TEST_CASE("credentials that expire are asked for before they do, in any time zone", "[kubernetes]") {
  Program program;
  Login login(program.connection);
  const auto in = [](std::int64_t seconds) {
    return format_utc(now_micros() + seconds * 1'000'000).substr(0, 19);
  };
  program.answer({{"token", "long"}, {"expirationTimestamp", in(3600) + "Z"}});
  bearer(login);
  bearer(login);
  CHECK(program.runs() == 1);
  Program soon;
  Login other(soon.connection);
  soon.answer({{"token", "short"}, {"expirationTimestamp", in(5) + "Z"}});
  bearer(other);
  bearer(other);
  CHECK(soon.runs() == 2);
  // An hour ahead on a clock that is two hours east has been over for an hour.
  Program east;
  Login third(east.connection);
  east.answer({{"token", "east"}, {"expirationTimestamp", in(3600) + ".5+02:00"}});
  bearer(third);
  bearer(third);
  CHECK(east.runs() == 2);
}

TEST_CASE("a credential program gives certificates too, and is told of the cluster when it asks",
          "[kubernetes]") {
  Program program;
  auto& c = program.connection;
  c.exec->cluster_info = true;
  c.exec->config = {{"audience", "x"}};
  c.ca_pem = "CA";
  c.tls_server_name = "name";
  c.proxy = "http://proxy:1";
  Login login(c);
  program.answer({{"clientCertificateData", "CERT"}, {"clientKeyData", "KEY"}});
  HttpRequest request;
  login.put_on(request);
  CHECK(request.cert_pem == "CERT");
  CHECK(request.key_pem == "KEY");
  CHECK_FALSE(request.headers.contains("Authorization"));
  CHECK(request.proxy == "http://proxy:1");
  CHECK(request.tls_server_name == "name");
  CHECK(request.verify_tls);
  const auto cluster =
      json::parse(read_file(program.dir.path() / "info")).at(json::json_pointer("/spec/cluster"));
  CHECK(cluster == json{{"server", "https://h:6443"},
                        {"certificate-authority-data", base64_encode("CA")},
                        {"tls-server-name", "name"},
                        {"proxy-url", "http://proxy:1"},
                        {"config", {{"audience", "x"}}}});
}

TEST_CASE("what a credential program does wrong is told", "[kubernetes]") {
  Program program;
  Login login(program.connection);
  program.answer({{"token", "t"}}, "client.authentication.k8s.io/v1beta1");
  CHECK(refusal(login).find("`sh` speaks `client.authentication.k8s.io/v1beta1`, and the kubeconfig asks for "
                            "`client.authentication.k8s.io/v1`") == 0);
  program.answer({{"clientCertificateData", "CERT"}});
  CHECK(refusal(login).find("printed no credentials") != std::string::npos);
  write_file_atomic(program.dir.path() / "answer", "no JSON");
  CHECK(refusal(login).find("printed no credentials") != std::string::npos);
  fs::remove(program.dir.path() / "answer");
  program.connection.exec->install_hint = "get it from example.com";
  const auto told = refusal(login);
  CHECK(told.find("no credentials for the cluster https://h:6443") == 0);
  CHECK(told.find("get it from example.com") != std::string::npos);
}

TEST_CASE("a token file is read for each request and wins over a token", "[kubernetes]") {
  TempDir dir{fs::temp_directory_path(), "slipway-login-"};
  Connection connection;
  connection.token = Secret("fixed");
  Login fixed(connection);
  CHECK(bearer(fixed) == "Bearer fixed");
  CHECK_FALSE(fixed.renew(0));
  connection.token_file = dir.path() / "token";
  Login login(connection);
  write_file_atomic(connection.token_file, "one\n");
  CHECK(bearer(login) == "Bearer one");
  write_file_atomic(connection.token_file, "two\n");
  CHECK(bearer(login) == "Bearer two");
  CHECK(login.renew(0));
}

TEST_CASE("impersonation goes with every request, and insecure is what the kubeconfig says", "[kubernetes]") {
  Connection connection;
  connection.username = "u";
  connection.password = Secret("p");
  connection.as.user = "boss";
  connection.as.uid = "7";
  connection.as.groups = {"a", "b"};
  connection.as.extra = {{"example.com/scope", {"x", "y"}}};
  connection.insecure = true;
  Login login(connection);
  HttpRequest request;
  login.put_on(request);
  CHECK(request.headers["Authorization"] == "Basic " + base64_encode("u:p"));
  CHECK(request.headers["Impersonate-User"] == "boss");
  CHECK(request.headers["Impersonate-Uid"] == "7");
  CHECK(request.more_headers ==
        std::vector<std::pair<std::string, std::string>>{{"Impersonate-Group", "a"},
                                                         {"Impersonate-Group", "b"},
                                                         {"Impersonate-Extra-example.com%2Fscope", "x"},
                                                         {"Impersonate-Extra-example.com%2Fscope", "y"}});
  CHECK_FALSE(request.verify_tls);
}

TEST_CASE("credentials that are over say so themselves", "[kubernetes]") {
  const auto now = std::int64_t{1'700'000'000} * 1'000'000;
  const auto token = [](std::int64_t exp) {
    auto claims = base64_encode(json{{"exp", exp}, {"sub", "x?>"}}.dump());
    std::erase(claims, '=');
    for (auto& c : claims) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return "e30." + claims + ".sig";
  };
  CHECK(end_of_token(token(1'600'000'000)) == std::int64_t{1'600'000'000} * 1'000'000);
  CHECK(end_of_token("opaque") == 0);
  CHECK(end_of_token("a.b.c") == 0);
  Connection connection;
  connection.token = Secret(token(1'600'000'000));
  CHECK(expired(connection, now).find("its token ended on 2020-09-13T12:26:40") == 0);
  connection.token = Secret(token(1'800'000'000));
  CHECK(expired(connection, now).empty());

  TempDir dir{fs::temp_directory_path(), "slipway-login-"};
  Command openssl;
  openssl.argv = {"openssl", "req",   "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                  "-nodes",  "-subj", "/CN=x", "-days",   "1",  "-keyout",  "key",
                  "-out",    "crt"};
  openssl.cwd = dir.path();
  run_capture(openssl);
  connection.cert_pem = read_file(dir.path() / "crt");
  const auto end = end_of_certificate(connection.cert_pem);
  CHECK(end > now_micros());
  CHECK(end <= now_micros() + std::int64_t{86'400} * 1'000'000);
  CHECK(expired(connection, now_micros()).empty());
  CHECK(expired(connection, end + 1).find("its client certificate ended on ") == 0);
  CHECK(end_of_certificate("no PEM") == 0);
}
