#include "support/registry_server.h"

#include "base/error.h"
#include "sys/http.h"

namespace slipway::test {

namespace {

std::string output_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return run_capture(command);
}

}  // namespace

struct RegistryServer::Impl {
  TempDir dir{fs::temp_directory_path(), "slipway-registry-"};
  int port = free_port();
  std::optional<Child> child;
};

RegistryServer::RegistryServer(const Options& options) : impl_(std::make_unique<Impl>()) {
  const auto& dir = impl_->dir.path();
  std::string config = fmt::format(
      "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
      "storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp:\n  addr: "
      "127.0.0.1:{}\n",
      (dir / "data").string(), impl_->port);
  if (options.tls) {
    output_of({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes", "-days", "2", "-subj", "/CN=slipway test", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", (dir / "key.pem").string(), "-out", (dir / "cert.pem").string()});
    config += fmt::format("  tls: {{certificate: {0}/cert.pem, key: {0}/key.pem}}\n", dir.string());
  }
  if (!options.user.empty()) {
    write_file_atomic(dir / "htpasswd",
                      output_of({"htpasswd", "-Bbn", "-C", "4", options.user, options.password}));
    config += fmt::format("auth:\n  htpasswd: {{realm: test, path: {}/htpasswd}}\n", dir.string());
  }
  if (!options.token_realm.empty())
    config += fmt::format(
        "auth:\n  token: {{realm: \"{}\", service: registry, issuer: slipway, rootcertbundle: {}}}\n",
        options.token_realm, options.token_certificate.string());
  write_file_atomic(dir / "config.yml", config);
  Command command;
  command.argv = {"docker-registry", "serve", (dir / "config.yml").string()};
  command.env["OTEL_TRACES_EXPORTER"] = "none";
  impl_->child.emplace(command);
  const bool up = eventually([&] {
    HttpRequest request;
    request.url = fmt::format("{}://{}/v2/", options.tls ? "https" : "http", host());
    request.verify_tls = false;
    try {
      return HttpClient().send(request).status > 0;
    } catch (const Error&) {
      return false;
    }
  });
  if (!up) throw Error(ExitCode::unavailable, "the registry for the test does not come up");
}

RegistryServer::~RegistryServer() = default;

std::string RegistryServer::host() const {
  return fmt::format("127.0.0.1:{}", impl_->port);
}
fs::path RegistryServer::ca_file() const {
  return impl_->dir.path() / "cert.pem";
}
fs::path RegistryServer::blob(const std::string& hex) const {
  return impl_->dir.path() / "data/docker/registry/v2/blobs/sha256" / hex.substr(0, 2) / hex / "data";
}
fs::path RegistryServer::repository(const std::string& name) const {
  return impl_->dir.path() / "data/docker/registry/v2/repositories" / name;
}
void RegistryServer::stop() {
  impl_->child.reset();
}

}  // namespace slipway::test
