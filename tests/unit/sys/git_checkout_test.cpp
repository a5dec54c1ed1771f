// Commits of remote repositories, from real servers.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "base/error.h"
#include "support/env_var.h"
#include "support/git_repo.h"
#include "support/git_server.h"
#include "support/slipway.h"
#include "sys/git.h"

using namespace slipway;
using namespace slipway::test;

namespace {

struct World {
  TempDir dir{fs::temp_directory_path(), "slipway-git-"};
  EnvVar home{"HOME", dir.path() / "home"};
  EnvVar no_system{"GIT_CONFIG_NOSYSTEM", "1"};
  fs::path served = dir.path() / "served";
  GitRepo repo{served / "shop"};
  std::string first, second;

  World() {
    make_dirs(dir.path() / "home");
    repo.write("users/app.py", "print(1)\n");
    repo.write("run.sh", "#!/bin/sh\n");
    fs::permissions(repo.dir() / "run.sh", fs::perms(0755));
    fs::create_symlink("users/app.py", repo.dir() / "link");
    first = repo.commit("first");
    repo.git({"tag", "-a", "-m", "one", "v1.0"});
    repo.write("users/app.py", "print(2)\n");
    second = repo.commit("second");
    repo.git({"branch", "release/2.x", first});
  }
  git::CheckoutOptions options(const std::string& url, const std::string& ref = "") const {
    git::CheckoutOptions out;
    out.url = url;
    out.base_dir = dir.path();
    out.ref = ref;
    out.cache_dir = dir.path() / "cache";
    return out;
  }
  git::Snapshot get(const std::string& url, const std::string& ref = "") const {
    return git::checkout(options(url, ref));
  }
};

struct Refusal {
  ExitCode code = ExitCode::ok;
  std::string text;
};
Refusal refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return {e.code(), e.str()};
  }
  return {};
}

void check_all_refs(const World& world, const std::string& url) {
  const auto head = world.get(url);
  CHECK(head.commit == world.second);
  CHECK(head.branch == "main");
  CHECK(head.dirty == 0);
  CHECK(read_file(head.path / "users/app.py") == "print(2)\n");
  CHECK(fs::read_symlink(head.path / "link") == "users/app.py");
  struct stat info {};
  REQUIRE(::stat((head.path / "run.sh").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0755);
  CHECK_FALSE(fs::exists(head.path / ".git"));
  CHECK(head.trees.at(".") == world.repo.git({"rev-parse", "HEAD^{tree}"}));

  const auto branch = world.get(url, "release/2.x");
  CHECK(branch.commit == world.first);
  CHECK(branch.branch == "release/2.x");
  CHECK(read_file(branch.path / "users/app.py") == "print(1)\n");
  const auto tag = world.get(url, "v1.0");
  CHECK(tag.commit == world.first);
  CHECK(tag.branch.empty());
  CHECK(world.get(url, world.first).path == tag.path);
  CHECK(world.get(url, world.first.substr(0, 10)).commit == world.first);
}

}  // namespace

TEST_CASE("branches, tags and commits come from a folder of this machine", "[git]") {
  if (!have("git")) return;
  World world;
  check_all_refs(world, world.repo.dir());
  check_all_refs(world, "served/shop");
  check_all_refs(world, "file://" + world.repo.dir().string());
}

TEST_CASE("branches, tags and commits come over git://", "[git]") {
  if (!have("git")) return;
  World world;
  auto server = GitServer::daemon(world.served);
  check_all_refs(world, server.url("shop"));
}

TEST_CASE("branches, tags and commits come over smart HTTP", "[git]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap")) return;
  World world;
  auto server = GitServer::http(world.served);
  check_all_refs(world, server.url("shop"));
}

TEST_CASE("what cannot have moved is checked out again without its server", "[git]") {
  if (!have("git")) return;
  World world;
  auto server = GitServer::daemon(world.served);
  const auto url = server.url("shop");
  const auto commit = world.get(url, world.second);
  const auto tag = world.get(url, "v1.0");
  const auto branch = world.get(url, "main");
  server.stop();
  CHECK(world.get(url, world.second).path == commit.path);
  CHECK(world.get(url, "v1.0").path == tag.path);
  // A branch may have moved: not knowing is an error, not an old answer.
  const auto unknown = refusal([&] { world.get(url, "main"); });
  CHECK(unknown.code == ExitCode::unavailable);
  CHECK(unknown.text ==
        fmt::format("cannot fetch from `{}`: failed to connect to 127.0.0.1: Connection refused", url));
  CHECK(fs::exists(branch.path));
}

TEST_CASE("a branch that moved is followed, also when its history was rewritten", "[git]") {
  if (!have("git")) return;
  World world;
  const auto url = world.repo.dir().string();
  CHECK(world.get(url, "main").commit == world.second);
  world.repo.write("users/app.py", "print(3)\n");
  const auto third = world.repo.commit();
  CHECK(world.get(url, "main").commit == third);
  world.repo.git({"reset", "-q", "--hard", world.first});
  CHECK(world.get(url, "main").commit == world.first);
}

TEST_CASE("a commit that no branch reaches any more is fetched by its id", "[git]") {
  if (!have("git")) return;
  World world;
  world.repo.git({"config", "uploadpack.allowAnySHA1InWant", "true"});
  world.repo.git({"checkout", "-q", "--detach"});
  world.repo.write("lost", "x");
  const auto lost = world.repo.commit();
  world.repo.git({"checkout", "-q", "main"});
  auto server = GitServer::daemon(world.served);
  CHECK(world.get(server.url("shop"), lost).commit == lost);
}

TEST_CASE("a ref that does not exist names near ones", "[git]") {
  if (!have("git")) return;
  World world;
  const auto url = world.repo.dir().string();
  const auto near = refusal([&] { world.get(url, "release/2.y"); });
  CHECK(near.code == ExitCode::usage);
  CHECK(near.text ==
        fmt::format("`{}` has no branch, tag or commit `release/2.y`\n  hint: did you mean `release/2.x`?",
                    url));
  const auto far = refusal([&] { world.get(url, "nothing-like-it"); });
  CHECK(far.text == fmt::format("`{}` has no branch, tag or commit `nothing-like-it`\n"
                                "  hint: one of `main`, `release/2.x`, `v1.0`",
                                url));
  const std::string id(40, 'a');
  CHECK(refusal([&] { world.get(url, id); }).code == ExitCode::usage);
  const auto empty = world.served / "empty";
  GitRepo fresh(empty);
  CHECK(refusal([&] { world.get(empty); }).text == fmt::format("`{}` has no commits yet", empty.string()));
}

TEST_CASE("a remote that is gone is exit 6", "[git]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap")) return;
  World world;
  const auto nowhere = (world.dir.path() / "nowhere").string();
  const auto folder = refusal([&] { world.get(nowhere); });
  CHECK(folder.code == ExitCode::unavailable);
  CHECK(folder.text == fmt::format("there is no git repository at `{}`", nowhere));

  auto server = GitServer::http(world.served);
  for (const auto& [path, text] : std::map<std::string, std::string>{
           {"nowhere",
            "there is no git repository at `{}`\n  hint: check the URL; a server may also hide one that "
            "needs a login"},
           {"broken/x", "cannot fetch from `{}`: unexpected http status code: 500"}}) {
    const auto url = server.url(path);
    const auto answer = refusal([&] { world.get(url); });
    CHECK(answer.code == ExitCode::unavailable);
    CHECK(answer.text == fmt::format(fmt::runtime(text), url));
  }
  auto daemon = GitServer::daemon(world.served);
  const auto missing = refusal([&] { world.get(daemon.url("nowhere")); });
  CHECK(missing.code == ExitCode::unavailable);
  CHECK(missing.text ==
        fmt::format("there is no git repository at `{}`\n  hint: check the URL; a server may also "
                    "hide one that needs a login",
                    daemon.url("nowhere")));
}

TEST_CASE("a login over HTTP: a token, a wrong one, none, and git's credential helper", "[git]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap")) return;
  World world;
  auto server = GitServer::http(world.served);
  const auto url = server.url("private/shop");
  auto options = world.options(url);

  const auto none = refusal([&] { git::checkout(options); });
  CHECK(none.code == ExitCode::auth);
  CHECK(none.text ==
        fmt::format(
            "`{}` needs a login\n  hint: give the source a `token`, or set up a git credential helper", url));

  options.token = Secret("alice:wrong");
  const auto wrong = refusal([&] { git::checkout(options); });
  CHECK(wrong.code == ExitCode::auth);
  CHECK(
      wrong.text ==
      fmt::format("`{}` refuses the token\n  hint: check that it is valid and may read the repository", url));

  CHECK(refusal([&] { world.get(server.url("forbidden/x")); }).code == ExitCode::auth);

  options.token = Secret("alice:wonderland");
  CHECK(git::checkout(options).commit == world.second);

  options.token = Secret();
  options.cache_dir = world.dir.path() / "cache2";
  write_file_atomic(
      world.dir.path() / "home/.gitconfig",
      "[credential]\n\thelper = \"!f() { echo username=alice; echo password=wonderland; }; f\"\n");
  CHECK(git::checkout(options).commit == world.second);
}

TEST_CASE("a token does not travel in clear", "[git]") {
  World world;
  auto options = world.options("http://git.example.com/x");
  options.token = Secret("secret-token");
  CHECK(refusal([&] { git::checkout(options); }).text ==
        "the token for `http://git.example.com/x` would travel unencrypted\n  hint: use https");
}

TEST_CASE("HTTPS needs a certificate that is trusted", "[git]") {
  if (!have("git") || !have("nginx") || !have("fcgiwrap") || !have("openssl")) return;
  World world;
  auto server = GitServer::http(world.served, true);
  const auto answer = refusal([&] { world.get(server.url("shop")); });
  CHECK(answer.code == ExitCode::auth);
  CHECK(answer.text ==
        "the TLS certificate of `127.0.0.1` is not trusted\n"
        "  hint: its authority's file can be named in SSL_CERT_FILE");
}

TEST_CASE("SSH checks the host key and logs in with a key file", "[git]") {
  if (!have("git") || !have("sshd") || !have("ssh-keygen")) return;
  World world;
  auto server = GitServer::ssh(world.served);
  const auto url = server.url("shop");
  const auto known = world.dir.path() / "known_hosts";
  EnvVar hosts("SSH_KNOWN_HOSTS", known);
  EnvVar no_agent("SSH_AUTH_SOCK", std::nullopt);
  EnvVar key("SLIPWAY_SSH_KEY", server.user_key());
  const auto name = fmt::format("[127.0.0.1]:{}", server.port());

  const auto unknown = refusal([&] { world.get(url); });
  CHECK(unknown.code == ExitCode::auth);
  CHECK_THAT(unknown.text, Catch::StartsWith(fmt::format("the host key of `{}` is not known: ", name)));
  CHECK_THAT(unknown.text, Catch::EndsWith(fmt::format("`ssh-keyscan -p {} 127.0.0.1 >> ~/.ssh/known_hosts`",
                                                       server.port())));

  // Of every type that the server has: which one is offered is the client's choice.
  const auto lines =
      run_capture({{"ssh-keyscan", "-p", std::to_string(server.port()), "127.0.0.1"}, {}, {}, false, ""});
  write_file_atomic(known, lines);
  check_all_refs(world, url);

  {
    std::string wrong;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);)
      if (!line.starts_with('#')) wrong += line.substr(0, line.size() - 8) + "AAAAAAAA\n";
    write_file_atomic(known, wrong);
    const auto changed = refusal([&] { world.get(url); });
    CHECK(changed.code == ExitCode::auth);
    CHECK_THAT(changed.text, Catch::StartsWith(fmt::format("the host key of `{}` has changed: ", name)));
    CHECK_THAT(changed.text, Catch::Contains(known.string()));
  }
  write_file_atomic(known, lines);
  EnvVar no_key("SLIPWAY_SSH_KEY", std::nullopt);
  const auto refused = refusal([&] { world.get(url); });
  CHECK(refused.code == ExitCode::auth);
  CHECK(refused.text ==
        fmt::format("`{}` refuses our SSH keys\n  hint: put a key at ~/.ssh/id_ed25519 or into ssh-agent",
                    url));

  make_dirs(world.dir.path() / "home/.ssh");
  fs::copy_file(server.user_key(), world.dir.path() / "home/.ssh/id_ed25519");
  CHECK(world.get(url).commit == world.second);
}

TEST_CASE("SSH logs in with what ssh-agent holds", "[git]") {
  if (!have("git") || !have("sshd") || !have("ssh-agent") || !have("ssh-add")) return;
  World world;
  auto server = GitServer::ssh(world.served);
  const auto url = server.url("shop");
  const auto known = world.dir.path() / "known_hosts";
  EnvVar hosts("SSH_KNOWN_HOSTS", known);
  EnvVar no_key("SLIPWAY_SSH_KEY", std::nullopt);
  write_file_atomic(
      known,
      run_capture({{"ssh-keyscan", "-p", std::to_string(server.port()), "127.0.0.1"}, {}, {}, false, ""}));
  const auto socket = world.dir.path() / "agent";
  Command start;
  start.argv = {"ssh-agent", "-D", "-a", socket};
  Child agent(start);
  REQUIRE(eventually([&] { return fs::exists(socket); }));
  EnvVar with_agent("SSH_AUTH_SOCK", socket);
  // An agent without the key is no way in.
  CHECK(refusal([&] { world.get(url); }).code == ExitCode::auth);
  Command add;
  add.argv = {"ssh-add", "-q", server.user_key()};
  run_capture(add);
  CHECK(world.get(url).commit == world.second);
  agent.kill_group(SIGTERM);
  CHECK(agent.wait_for(Millis(10'000)).has_value());
}

TEST_CASE("submodules come with their commit, relative ones from beside their parent", "[git]") {
  if (!have("git")) return;
  World world;
  GitRepo inner(world.served / "inner"), lib(world.served / "lib");
  inner.write("deep.h", "1");
  inner.commit();
  lib.write("lib.h", "1");
  lib.git({"submodule", "--quiet", "add", "../inner", "inner"});
  lib.commit();
  world.repo.git({"submodule", "--quiet", "add", "../lib", "vendor/lib"});
  const auto commit = world.repo.commit();
  lib.write("lib.h", "newer, not asked for");
  lib.commit();
  auto server = GitServer::daemon(world.served);
  auto options = world.options(server.url("shop"), commit);
  CHECK(fs::is_empty(git::checkout(options).path / "vendor/lib"));
  options.submodules = true;
  options.folders = {"vendor", "vendor/lib/inner"};
  const auto whole = git::checkout(options);
  CHECK(read_file(whole.path / "vendor/lib/lib.h") == "1");
  CHECK(read_file(whole.path / "vendor/lib/inner/deep.h") == "1");
  CHECK(whole.trees.at("vendor") == world.repo.git({"rev-parse", "HEAD:vendor"}));
  CHECK(whole.trees.at("vendor/lib/inner") == inner.git({"rev-parse", "HEAD^{tree}"}));
  server.stop();
  CHECK(git::checkout(options).path == whole.path);
}

TEST_CASE("submodules that reach where they must not are refused", "[git]") {
  if (!have("git")) return;
  World world;
  auto server = GitServer::daemon(world.served);
  const auto with_module = [&](const std::string& path, const std::string& url) {
    world.repo.write(".gitmodules", fmt::format("[submodule \"x\"]\n\tpath = {}\n\turl = {}\n", path, url));
    world.repo.git({"update-index", "--add", "--cacheinfo", "160000," + world.first + ",sub"});
    const auto commit = [&] {
      world.repo.git({"add", ".gitmodules"});
      world.repo.git({"commit", "-q", "-m", "x"});
      return world.repo.git({"rev-parse", "HEAD"});
    }();
    auto options = world.options(server.url("shop"), commit);
    options.submodules = true;
    const auto answer = refusal([&] { git::checkout(options); });
    CHECK(answer.code == ExitCode::usage);
    CHECK_FALSE(fs::exists(options.cache_dir / "git/checkouts" / commit));
    return answer.text;
  };
  const auto shop = server.url("shop");
  CHECK(with_module("../out", shop) ==
        "the submodule path `../out` is refused: a repository may not choose it");
  CHECK(with_module("\"sub\r\"", shop) ==
        "the submodule path `sub\\r` is refused: a repository may not choose it");
  CHECK(with_module("sub", "file:///etc") ==
        fmt::format("the submodule URL `file:///etc` points into this machine, but it comes from `{}`\n"
                    "  while checking out the submodule `sub`",
                    shop));
  CHECK(with_module("sub", "ext::sh -c x") ==
        "`ext::sh -c x` is no git URL: `ext::` would run a program\n"
        "  while checking out the submodule `sub`");
  CHECK(with_module("elsewhere", shop) ==
        fmt::format("the submodule `sub` of `{}` is not in its `.gitmodules`", shop));
}

TEST_CASE("a tree with tricks in it writes nothing outside", "[git]") {
  if (!have("git")) return;
  World world;
  const auto blob = world.repo.git({"hash-object", "-w", "run.sh"});
  // git's own commands make no such trees: they are written as raw objects.
  const auto raw_tree = [&](const std::string& bytes) {
    write_file_atomic(world.dir.path() / "raw", bytes);
    return world.repo.git({"hash-object", "-t", "tree", "-w", "--literally", world.dir.path() / "raw"});
  };
  const auto entry = [&](const std::string& mode, const std::string& name, const std::string& id) {
    std::string out = mode + " " + name;
    out += '\0';
    for (std::size_t i = 0; i < id.size(); i += 2)
      out += static_cast<char>(std::stoi(id.substr(i, 2), nullptr, 16));
    return out;
  };
  const auto checkout_tree = [&](const std::string& tree) {
    const auto commit = world.repo.git({"commit-tree", "-m", "x", tree});
    world.repo.git({"update-ref", "refs/heads/tricks", commit});
    return refusal([&] { world.get(world.repo.dir(), "tricks"); });
  };
  write_file_atomic(world.dir.path() / "target", world.dir.path().string());
  const auto link = world.repo.git({"hash-object", "-w", world.dir.path() / "target"});
  const auto inner = raw_tree(entry("100644", "owned", blob));
  // A link "a" to outside, and a folder "a" whose file would land there.
  const auto twice = checkout_tree(raw_tree(entry("120000", "a", link) + entry("40000", "a", inner)));
  CHECK(twice.code == ExitCode::usage);
  CHECK(twice.text == "the repository holds `a`: the name stands there twice");
  CHECK_FALSE(fs::exists(world.dir.path() / "owned"));
  for (const auto* name : {"..", ".git", ".GIT"}) {
    const auto answer = checkout_tree(raw_tree(entry("40000", name, inner)));
    INFO(name);
    CHECK(answer.code != ExitCode::ok);
  }
}

TEST_CASE("a fetch that is stopped, or whose server falls silent, ends at once and does not hurt the next",
          "[git]") {
  if (!have("git")) return;
  World world;
  // A listener that takes the connection and never says a word.
  Fd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(silent.get(), 4) == 0);
  ::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size);
  for (const auto* scheme : {"git", "http", "ssh"}) {
    INFO(scheme);
    std::stop_source stop;
    auto options = world.options(fmt::format("{}://127.0.0.1:{}/shop", scheme, ntohs(address.sin_port)));
    options.stop = stop.get_token();
    std::jthread stopper([&] {
      const Fd accepted(::accept(silent.get(), nullptr, nullptr));
      stop.request_stop();
      char byte;
      while (::read(accepted.get(), &byte, 1) > 0) continue;  // until the client has hung up
    });
    const auto answer = refusal([&] { git::checkout(options); });
    CHECK(answer.code == ExitCode::interrupted);
  }
}

TEST_CASE("a source at a ref is a folder of its own repository", "[git]") {
  if (!have("git")) return;
  World world;
  const auto found = git::find_repository(world.repo.dir() / "users");
  CHECK(found.top == fs::canonical(world.repo.dir()));
  CHECK(found.below == "users");
  auto options = world.options(found.top, "v1.0");
  options.below = found.below;
  const auto snapshot = git::checkout(options);
  CHECK(read_file(snapshot.path / "app.py") == "print(1)\n");
  CHECK(snapshot.trees.at(".") == world.repo.git({"rev-parse", world.first + ":users"}));
  options.folders = {"userz"};
  CHECK(refusal([&] { git::checkout(options); }).code == ExitCode::usage);
}
