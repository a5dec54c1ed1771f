#include "support/git_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/error.h"
#include "support/slipway.h"
#include "sys/files.h"

namespace slipway::test {

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

bool listens(int port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

GitServer::GitServer(const std::string& scheme, const fs::path&)
    : dir_(std::make_unique<TempDir>(fs::temp_directory_path(), "slipway-git-server-")),
      port_(free_port()),
      base_(fmt::format("{}://127.0.0.1:{}", scheme, port_)) {}

GitServer::~GitServer() {
  if (dir_) stop();
}

void GitServer::stop() {
  for (auto& child : children_) {
    child->kill_group(SIGTERM);
    if (!child->wait_for(Millis(2000))) child->kill_group(SIGKILL);
  }
  children_.clear();
}

void GitServer::start(std::vector<std::string> argv, std::map<std::string, std::string> env) {
  Command command;
  // Nobody reads the servers' output: a full pipe would stop them.
  command.argv = {"sh", "-c", "exec \"$@\" >\"$0\" 2>&1", dir() / "log"};
  command.argv.insert(command.argv.end(), argv.begin(), argv.end());
  command.env = std::move(env);
  children_.push_back(std::make_unique<Child>(command));
}

void GitServer::wait_until_up() const {
  if (eventually([&] { return listens(port_); })) return;
  throw Error(ExitCode::internal,
              "the git server did not come up: " + read_file_if_exists(dir() / "log").value_or(""));
}

GitServer GitServer::daemon(const fs::path& repositories) {
  GitServer server("git", repositories);
  server.start({"git", "daemon", "--reuseaddr", "--listen=127.0.0.1", fmt::format("--port={}", server.port_),
                "--export-all", "--base-path=" + repositories.string(), repositories},
               {{"HOME", server.dir()}, {"GIT_CONFIG_NOSYSTEM", "1"}});
  server.wait_until_up();
  return server;
}

GitServer GitServer::http(const fs::path& repositories, bool tls) {
  GitServer server(tls ? "https" : "http", repositories);
  const auto dir = server.dir();
  const auto socket = dir / "fcgi";
  write_file_atomic(dir / "users", "alice:{PLAIN}wonderland\n");
  if (tls)
    run_capture(
        {{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
          "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:127.0.0.1",
          "-keyout", dir / "key.pem", "-out", server.certificate()},
         {},
         {},
         false,
         ""});
  const auto location = [&](const std::string& prefix, const std::string& more) {
    return fmt::format(R"(
      location ~ ^{}(/.*)$ {{
        {}
        client_max_body_size 0;
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
        fastcgi_param GIT_PROJECT_ROOT {};
        fastcgi_param GIT_HTTP_EXPORT_ALL "";
        fastcgi_param HOME {};
        fastcgi_param PATH_INFO $1;
        fastcgi_pass unix:{};
      }})",
                       prefix, more, repositories.string(), dir.string(), socket.string());
  };
  const auto secure = fmt::format("ssl_certificate {}; ssl_certificate_key {};",
                                  server.certificate().string(), (dir / "key.pem").string());
  write_file_atomic(dir / "nginx.conf",
                    fmt::format(R"(
  daemon off; master_process off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;
  events {{ worker_connections 64; }}
  http {{
    access_log {0}/access.log;
    client_body_temp_path {0}/body; fastcgi_temp_path {0}/fastcgi; proxy_temp_path {0}/proxy;
    scgi_temp_path {0}/scgi; uwsgi_temp_path {0}/uwsgi;
    server {{
      listen 127.0.0.1:{1}{2};
      {3}
      location ^~ /forbidden {{ return 403; }}
      location ^~ /broken {{ return 500; }}
      {4}
      {5}
    }}
  }})",
                                dir.string(), server.port_, tls ? " ssl" : "", tls ? secure : "",
                                location("/private", fmt::format("auth_basic git; auth_basic_user_file {};",
                                                                 (dir / "users").string())),
                                location("", "")));
  server.start({"fcgiwrap", "-s", "unix:" + socket.string()});
  server.start({"nginx", "-c", dir / "nginx.conf", "-p", dir, "-e", dir / "error.log"});
  server.wait_until_up();
  return server;
}

GitServer GitServer::ssh(const fs::path& repositories) {
  GitServer server("ssh", repositories);
  server.base_ += repositories.string();
  const auto dir = server.dir();
  for (const auto* key : {"host_ed25519", "host_ecdsa", "user_key"})
    run_capture({{"ssh-keygen", "-q", "-N", "", "-t", key == std::string("host_ecdsa") ? "ecdsa" : "ed25519",
                  "-f", dir / key},
                 {},
                 {},
                 false,
                 ""});
  fs::copy_file(dir / "user_key.pub", dir / "authorized_keys");
  write_file_atomic(dir / "sshd_config", fmt::format(R"(
ListenAddress 127.0.0.1:{1}
HostKey {0}/host_ed25519
HostKey {0}/host_ecdsa
AuthorizedKeysFile {0}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
)",
                                                     dir.string(), server.port_));
  make_dirs("/run/sshd");  // sshd refuses to start as root without it
  server.start({find_program("sshd").value_or("sshd").string(), "-D", "-e", "-f", dir / "sshd_config"});
  server.wait_until_up();
  return server;
}

std::string GitServer::known_hosts_line() const {
  const auto key = read_file(dir() / "host_ed25519.pub");
  return fmt::format("[127.0.0.1]:{} {}", port_, key);
}

}  // namespace slipway::test
