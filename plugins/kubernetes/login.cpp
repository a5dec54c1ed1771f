#include "plugins/kubernetes/login.h"

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "sys/base64.h"
#include "sys/process.h"

namespace slipway::kubernetes {

namespace {

using nlohmann::json;

constexpr Millis kProgramLimit{60'000};
constexpr int kMostRenewals = 3;

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

// client-go pkg/apis/clientauthentication: what a program is told in KUBERNETES_EXEC_INFO.
json exec_info(const Connection& connection) {
  json spec = {{"interactive", false}};
  if (connection.exec->cluster_info) {
    spec["cluster"] = {{"server", connection.server}};
    if (!connection.ca_pem.empty())
      spec["cluster"]["certificate-authority-data"] = base64_encode(connection.ca_pem);
    if (!connection.tls_server_name.empty()) spec["cluster"]["tls-server-name"] = connection.tls_server_name;
    if (connection.insecure) spec["cluster"]["insecure-skip-tls-verify"] = true;
  }
  return {{"apiVersion", connection.exec->api_version}, {"kind", "ExecCredential"}, {"spec", spec}};
}

// RFC 3339 in seconds, as client-go writes times; 0 when it is none.
std::int64_t micros_of(const std::string& text) {
  std::tm tm{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  return end ? static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000 : 0;
}

}  // namespace

const Login::Given& Login::ask_program() {
  constexpr std::int64_t kEarly = 10'000'000;
  if (given_ && (given_->expires == 0 || given_->expires - kEarly > now_micros())) return *given_;
  const auto& exec = *connection_.exec;
  Command command;
  command.argv = exec.argv;
  command.env = exec.env;
  command.env["KUBERNETES_EXEC_INFO"] = exec_info(connection_).dump();
  WaitOptions options;
  options.timeout = kProgramLimit;
  std::string said;
  try {
    said = run_capture(command, options);
  } catch (Error& e) {
    if (!exec.install_hint.empty()) e.hint(exec.install_hint);
    throw Error(ExitCode::auth,
                fmt::format("no credentials for the {}: {}", connection_.describe(), e.message()))
        .detail(e.detail())
        .hint(e.hint());
  }
  const auto answer = json::parse(said, nullptr, false);
  const auto status = answer.is_object() ? answer.value("status", json::object()) : json::object();
  Given out;
  if (status.is_object()) {
    out.token = Secret(status.value("token", ""));
    out.cert_pem = status.value("clientCertificateData", "");
    out.key_pem = Secret(status.value("clientKeyData", ""));
    out.expires = micros_of(status.value("expirationTimestamp", ""));
  }
  if (out.token.empty() && out.cert_pem.empty())
    throw Error(ExitCode::auth, fmt::format("`{}` printed no credentials", exec.argv[0]))
        .hint("an ExecCredential with status.token or status.clientCertificateData is expected");
  return *(given_ = std::move(out));
}

void Login::put_on(HttpRequest& request) {
  const auto& c = connection_;
  request.ca_pem = c.ca_pem;
  request.tls_server_name = c.tls_server_name;
  request.proxy = c.proxy;
  request.verify_tls = !c.insecure;
  request.cert_pem = c.cert_pem;
  request.key_pem = c.key_pem.reveal();
  // In the order of client-go: a token file wins over a token.
  std::string token = c.token.reveal();
  if (!c.token_file.empty()) token = trimmed(read_file(c.token_file, 1u << 20));
  if (token.empty() && c.exec) {
    const auto& given = ask_program();
    token = given.token.reveal();
    if (!given.cert_pem.empty()) {
      request.cert_pem = given.cert_pem;
      request.key_pem = given.key_pem.reveal();
    }
  }
  if (!token.empty())
    request.headers["Authorization"] = "Bearer " + token;
  else if (!c.username.empty())
    request.headers["Authorization"] = "Basic " + base64_encode(c.username + ":" + c.password.reveal());
  if (!c.as.user.empty()) request.headers["Impersonate-User"] = c.as.user;
  if (!c.as.uid.empty()) request.headers["Impersonate-Uid"] = c.as.uid;
  for (const auto& group : c.as.groups) request.more_headers.emplace_back("Impersonate-Group", group);
  for (const auto& [name, values] : c.as.extra)
    for (const auto& value : values) request.more_headers.emplace_back("Impersonate-Extra-" + name, value);
}

bool Login::renew() {
  if (++renewed_ > kMostRenewals) return false;
  given_.reset();
  return connection_.exec.has_value() || !connection_.token_file.empty();
}

}  // namespace slipway::kubernetes
