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
    if (!connection.proxy.empty()) spec["cluster"]["proxy-url"] = connection.proxy;
    if (!connection.exec->config.is_null()) spec["cluster"]["config"] = connection.exec->config;
  }
  return {{"apiVersion", connection.exec->api_version}, {"kind", "ExecCredential"}, {"spec", spec}};
}

// RFC 3339, whole seconds: "2030-01-02T03:04:05Z", "…05.7+02:00"; 0 when it is none.
std::int64_t micros_of(const std::string& text) {
  std::tm tm{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (!end) return 0;
  while (*end == '.' || std::isdigit(static_cast<unsigned char>(*end))) ++end;
  int hours = 0, minutes = 0;
  if ((*end == '+' || *end == '-') && std::sscanf(end + 1, "%2d:%2d", &hours, &minutes) == 2) {
    const int east = (hours * 60 + minutes) * 60;
    return (static_cast<std::int64_t>(::timegm(&tm)) - (*end == '+' ? east : -east)) * 1'000'000;
  }
  return static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000;
}

// client-go transport/round_trippers.go, headerKeyEscape: what may not stand in a header's name.
std::string header_name(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool token = std::isalnum(c) || std::string_view("!#$&'*+-.^_`|~").find(static_cast<char>(c)) !=
                                              std::string_view::npos;
    out += token ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return out;
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
  const auto text = [](const json& from, const char* key) {
    const auto it = from.find(key);
    return it != from.end() && it->is_string() ? it->get<std::string>() : "";
  };
  if (answer.is_object())
    if (const auto version = text(answer, "apiVersion"); !version.empty() && version != exec.api_version)
      throw Error(ExitCode::auth, fmt::format("`{}` speaks `{}`, and the kubeconfig asks for `{}`",
                                              exec.argv[0], version, exec.api_version))
          .hint("write the version that it speaks as `apiVersion` of its `exec`");
  const auto status = answer.is_object() ? answer.value("status", json::object()) : json::object();
  Given out;
  if (status.is_object()) {
    out.token = Secret(text(status, "token"));
    out.cert_pem = text(status, "clientCertificateData");
    out.key_pem = Secret(text(status, "clientKeyData"));
    out.expires = micros_of(text(status, "expirationTimestamp"));
  }
  if ((out.token.empty() && out.cert_pem.empty()) || out.cert_pem.empty() != out.key_pem.empty())
    throw Error(ExitCode::auth, fmt::format("`{}` printed no credentials", exec.argv[0]))
        .hint(
            "an ExecCredential with status.token, or status.clientCertificateData and clientKeyData, is "
            "expected");
  ++number_;
  return *(given_ = std::move(out));
}

int Login::put_on(HttpRequest& request) {
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
    for (const auto& value : values)
      request.more_headers.emplace_back("Impersonate-Extra-" + header_name(name), value);
  return number_;
}

bool Login::renew(int used) {
  if (!connection_.token_file.empty()) return true;  // it is read for each request
  if (!connection_.exec) return false;
  if (used == number_) given_.reset();
  return true;
}

}  // namespace slipway::kubernetes
