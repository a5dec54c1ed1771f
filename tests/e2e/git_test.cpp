// Sources as a user meets them: a spec, the real binary, real servers, its words and exit codes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <thread>

#include "support/git_repo.h"
#include "support/git_server.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// One source, and a step that prints what it turned out to be.
std::string spec(const std::string& source, const std::string& more = "") {
  return fmt::format(R"(version: 1
name: demo
sources:
  code: {}
{}steps:
  - name: show
    run: echo "commit=${{{{ sources.code.commit }}}} branch=${{{{ sources.code.branch }}}}"
    cache: false
)",
                     source, more);
}

// Hands connections on to `port`; what comes back is held after `limit` bytes, as by a line that went dead.
class DeadLine {
 public:
  explicit DeadLine(int port) : to_(port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 8) == 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  int port() const { return port_; }
  std::atomic<std::size_t> limit{SIZE_MAX};
  std::atomic<bool> held{false};

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd wait{listener_.get(), POLLIN, 0};
      if (::poll(&wait, 1, 50) <= 0) continue;
      const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const auto address = loopback(to_);
      if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        relay(client.get(), server.get(), stop);
    }
  }
  void relay(int client, int server, const std::stop_token& stop) {
    std::size_t passed = 0;
    char buffer[4096];
    while (!stop.stop_requested()) {
      held = passed >= limit;
      pollfd fds[2] = {{client, POLLIN, 0}, {server, static_cast<short>(held ? 0 : POLLIN), 0}};
      if (::poll(fds, 2, 50) <= 0) continue;
      for (int i = 0; i < 2; ++i) {
        if (!(fds[i].revents & (POLLIN | POLLHUP))) continue;
        const auto n = ::read(fds[i].fd, buffer, sizeof buffer);
        if (n <= 0 ||
            ::send(i == 0 ? server : client, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n)
          return;
        if (i == 1) passed += static_cast<std::size_t>(n);
      }
    }
  }

  int to_, port_ = 0;
  Fd listener_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("a spec's source is a folder, with the branch and commit it has", "[git][run]") {
  if (!have("git")) return;
  User user;
  GitRepo repo(user.dir() / "code");
  repo.write("a", "1");
  const auto commit = repo.commit();
  user.write("slipway.yaml", spec("{path: code}"));
  const auto ran = user.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Catch::Contains("commit=" + commit + " branch=main"));
}

TEST_CASE("bad sources: the right words and exit codes", "[git][run]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap")) return;
  User user;
  GitRepo repo(user.dir() / "served/code");
  repo.write("a", "1");
  repo.commit();
  repo.git({"branch", "release/2.x"});
  auto server = GitServer::http(user.dir() / "served");
  const auto run = [&](const std::string& source) {
    user.write("slipway.yaml", spec(source));
    return user.slipway({"run"});
  };
  const auto ref = run("{git: \"" + server.url("code") + "\", ref: release/2.y}");
  CHECK(ref.code == 2);
  CHECK_THAT(ref.err, Catch::Contains("has no branch, tag or commit `release/2.y`") &&
                          Catch::Contains("did you mean `release/2.x`?"));
  const auto login = run("{git: \"" + server.url("private/code") + "\"}");
  CHECK(login.code == 3);
  CHECK_THAT(login.err, Catch::Contains("needs a login"));
  const auto program = run("{git: \"ext::sh -c touch% owned\"}");
  CHECK(program.code == 2);
  CHECK_THAT(program.err, Catch::Contains("`ext::` would run a program"));
  CHECK_FALSE(fs::exists(user.dir() / "owned"));
  const auto url = server.url("code");
  server.stop();
  const auto gone = run("{git: \"" + url + "\"}");
  CHECK(gone.code == 6);
  CHECK_THAT(gone.err, Catch::Contains("cannot fetch from `" + url + "`"));
}

TEST_CASE("a token comes from a secret and is never shown", "[git][run]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap")) return;
  User user;
  GitRepo repo(user.dir() / "served/code");
  repo.write("a", "1");
  const auto commit = repo.commit();
  auto server = GitServer::http(user.dir() / "served");
  user.env["GIT_LOGIN"] = "alice:wonderland";
  user.write("slipway.yaml", spec("{git: \"" + server.url("private/code") + "\", token: {secret: login}}",
                                  "secrets:\n  login: {env: GIT_LOGIN}\n"));
  const auto ran = user.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Catch::Contains("commit=" + commit));
  for (const auto& entry : fs::recursive_directory_iterator(user.dir()))
    if (entry.is_regular_file() && !entry.path().string().starts_with((user.dir() / "served").string()))
      CHECK(read_file(entry.path()).find("wonderland") == std::string::npos);
}

TEST_CASE("SSH trusts what ~/.ssh/known_hosts holds, of whatever type", "[git][run]") {
  if (!have("git") || !have("sshd") || !have("ssh-keygen")) return;
  User user;
  GitRepo repo(user.dir() / "served/code");
  repo.write("a", "1");
  const auto commit = repo.commit();
  auto server = GitServer::ssh(user.dir() / "served");
  for (const auto* name : {"SSH_AUTH_SOCK", "SSH_KNOWN_HOSTS", "SLIPWAY_SSH_KEY"}) user.env[name] = "";
  user.write("slipway.yaml", spec("{git: \"" + server.url("code") + "\"}"));
  make_dirs(user.dir() / "home/.ssh");
  fs::copy_file(server.user_key(), user.dir() / "home/.ssh/id_ed25519");
  const auto unknown = user.slipway({"run"});
  CHECK(unknown.code == 3);
  CHECK_THAT(unknown.err, Catch::Contains("is not known"));
  user.write("home/.ssh/known_hosts", server.known_hosts_line());
  const auto ran = user.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Catch::Contains("commit=" + commit));
}

TEST_CASE("kill -9 in the middle of a fetch: the next run fetches as if nothing had been", "[git][run]") {
  if (!have("git")) return;
  User user;
  GitRepo repo(user.dir() / "served/code");
  std::string noise(4 << 20, '\0');  // does not compress: the pack is as large
  std::mt19937 random(7);
  for (auto& c : noise) c = static_cast<char>(random());
  repo.write("noise", noise);
  const auto commit = repo.commit();
  auto server = GitServer::daemon(user.dir() / "served");
  DeadLine line(server.port());
  user.write("slipway.yaml", spec(fmt::format("{{git: \"git://127.0.0.1:{}/code\"}}", line.port())));
  line.limit = 1 << 20;
  {
    Child child(user.command({"run"}));
    CHECK(eventually([&] { return line.held.load(); }));
    REQUIRE(::kill(child.pid(), SIGKILL) == 0);
    REQUIRE(child.wait_for(Millis(10'000)));
  }
  line.limit = SIZE_MAX;
  const auto ran = user.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Catch::Contains("commit=" + commit));
  CHECK(read_file(user.cache() / "git/checkouts" / commit / "noise") == noise);
  // Nothing of the killed fetch is kept.
  for (const auto& mirror : fs::directory_iterator(user.cache() / "git/mirrors"))
    if (mirror.is_directory())
      for (const auto& entry : fs::directory_iterator(mirror.path() / "objects/pack"))
        CHECK_THAT(entry.path().filename().string(), Catch::StartsWith("pack-"));
}

TEST_CASE("HTTPS works with the authority that SSL_CERT_FILE names, and with no other", "[git][run]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap") || !have("openssl")) return;
  User user;
  GitRepo repo(user.dir() / "served/code");
  repo.write("a", "1");
  const auto commit = repo.commit();
  auto server = GitServer::http(user.dir() / "served", true);
  user.write("slipway.yaml", spec("{git: \"" + server.url("code") + "\"}"));
  for (const auto* name : {"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"})
    user.env[name] = "";
  const auto stranger = user.slipway({"run"});
  CHECK(stranger.code == 3);
  CHECK_THAT(stranger.err, Catch::Contains("the TLS certificate of `127.0.0.1` is not trusted"));
  user.env["SSL_CERT_FILE"] = server.certificate();
  const auto ran = user.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Catch::Contains("commit=" + commit));
}
