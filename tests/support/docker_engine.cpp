#include "support/docker_engine.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "support/own_network.h"
#include "support/slipway.h"

namespace slipway::test {

namespace {

const fs::path kSupport = fs::path(SLIPWAY_SOURCE_DIR) / "tests/support/docker";

std::string call(std::vector<std::string> argv, const fs::path& cwd = "/") {
  Command command;
  command.argv = std::move(argv);
  command.cwd = cwd;
  return run_capture(command);
}

// Whether `argv` ends well in a network namespace of its own.
bool works(const std::string& script) {
  Command command;
  command.argv = {"unshare", "--net", "sh", "-c", script};
  try {
    run_capture(command);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void make_certificates(const fs::path& dir) {
  const std::vector<std::string> key = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                        "-nodes"};
  const auto with = [&](std::vector<std::string> argv) {
    argv.insert(argv.begin() + 2, key.begin(), key.end());
    return argv;
  };
  call(with({"openssl", "req", "-x509", "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca-key.pem", "-out",
             "ca.pem"}),
       dir);
  for (const auto& [name, use] :
       {std::pair{"server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"},
        {"", "extendedKeyUsage=clientAuth\n"}}) {
    const auto file = [&](const std::string& what) {
      return *name ? fmt::format("{}-{}.pem", name, what) : what + ".pem";
    };
    write_file_atomic(dir / "extensions", use);
    call(with({"openssl", "req", "-subj", "/CN=test", "-keyout", file("key"), "-out", "request"}), dir);
    call({"openssl", "x509", "-req", "-days", "2", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
          "-CAcreateserial", "-extfile", "extensions", "-out", file("cert")},
         dir);
  }
}

// What containers leave of control groups, in every hierarchy.
void remove_cgroups(const std::string& name) {
  std::error_code ec;
  std::vector<fs::path> roots = {"/sys/fs/cgroup"};
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", ec)) roots.push_back(entry.path());
  for (const auto& root : roots) {
    if (!fs::is_directory(root / name, ec)) continue;
    std::vector<fs::path> dirs = {root / name};
    for (fs::recursive_directory_iterator it(root / name, ec), end; it != end; it.increment(ec)) {
      if (ec) break;
      if (it->is_directory(ec)) dirs.push_back(it->path());
    }
    std::sort(dirs.rbegin(), dirs.rend());
    for (const auto& dir : dirs) ::rmdir(dir.c_str());
  }
}

// In a container with cgroup v2 the root group is no real root: it hands its controllers on only when no
// process is in it (cgroups(7), "no internal processes").
void free_cgroups() {
  call({"sh", "-c",
        "cd /sys/fs/cgroup && test -e cgroup.type || exit 0; mkdir -p init; "
        "for p in $(cat cgroup.procs); do echo $p >init/cgroup.procs 2>/dev/null; done; "
        "sed 's/^/+/; s/ / +/g' cgroup.controllers >cgroup.subtree_control"});
}

}  // namespace

struct DockerEngine::Impl {
  static std::string next_group() {
    static int number = 0;
    return fmt::format("slipway-test-{}-{}", ::getpid(), ++number);
  }

  ~Impl() {
    stop();
    proxy.reset();
    eventually(
        [&] {
          remove_cgroups(group);
          std::error_code ec;
          return !fs::exists("/sys/fs/cgroup/" + group, ec) &&
                 !fs::exists("/sys/fs/cgroup/pids/" + group, ec);
        },
        Millis(5'000));
  }

  // The first process of its PID namespace dies with `unshare`, and all others with that one.
  void stop() {
    if (!child) return;
    child->kill_group(SIGKILL);
    child.reset();
  }

  TempDir dir{fs::temp_directory_path(), "slipway-docker-"};
  std::string group = next_group();
  std::string address;
  int port = 0;
  std::optional<Child> child;
  mutable std::optional<Child> proxy;
};

bool DockerEngine::possible() {
  for (const char* program :
       {"dockerd", "docker", "containerd", "unshare", "ip", "iptables", "docker-registry"})
    if (!have(program)) return false;
  static const bool can = [] {
    if (::geteuid() != 0) return false;
    return works(
        "ip link add b0 type bridge && ip link add v0 type vxlan id 9 dstport 4789 && iptables -t nat -L");
  }();
  if (can) return true;
  const char* ci = std::getenv("CI");
  if (ci && *ci) FAIL("a Docker Engine cannot run here: root, bridges, vxlan and iptables are needed");
  WARN("skipped: a Docker Engine cannot run here (root, bridges, vxlan and iptables are needed)");
  return false;
}

bool DockerEngine::has_ipvs() {
  // The kernel makes this folder for every network namespace when it has IPVS.
  static const bool has = works("modprobe ip_vs 2>/dev/null; test -d /proc/sys/net/ipv4/vs");
  return has;
}

bool DockerEngine::has_esp() {
  static const bool has = works(
      "ip link set lo up && ip xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x1000 mode "
      "transport "
      "aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64");
  return has;
}

DockerEngine::DockerEngine(const Options& options) : impl_(std::make_unique<Impl>()) {
  free_cgroups();
  const auto& dir = impl_->dir.path();
  write_file_atomic(dir / "daemon.json", "{}");
  std::string flags;
  if (options.tls) {
    make_certificates(dir);
    impl_->port = free_port();
    flags = fmt::format(
        "-H {} --tlsverify --tlscacert {}/ca.pem --tlscert {}/server-cert.pem --tlskey {}/server-key.pem",
        tcp(), dir.string(), dir.string(), dir.string());
  }
  std::string network = "ip link set lo up";
  if (options.beside) {
    impl_->address = "10.231.0.2";
    options.beside->impl_->address = "10.231.0.1";
    // Started before its cable is there.
    network += fmt::format(
        "; touch {}/unplugged; until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done; "
        "ip addr add 10.231.0.2/24 dev eth0 && ip link set eth0 up; "
        "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; "
        "iptables -t nat -A OUTPUT -p tcp -d 127.0.0.1 --dport {} -j DNAT --to-destination 10.231.0.1; "
        "iptables -t nat -A POSTROUTING -o eth0 -s 127.0.0.1 -j MASQUERADE",
        dir.string(), options.shared_port);
  }
  // Its data is a file system in memory that goes with the mount namespace.
  write_file_atomic(
      dir / "run",
      fmt::format(
          "{}\nmkdir -p {d}/data {d}/exec && mount -t tmpfs data {d}/data && mount -t tmpfs exec {d}/exec\n"
          "dockerd --data-root {d}/data --exec-root {d}/exec -H unix://{d}/docker.sock --pidfile {d}/pid "
          "--config-file {d}/daemon.json --cgroup-parent /{} --log-level warn {} >{d}/log 2>&1 &\nwait\n",
          network, impl_->group, flags, fmt::arg("d", dir.string())));
  Command command;
  command.argv = {"unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"};
  if (options.beside) command.argv.emplace_back("--net");
  command.argv.insert(command.argv.end(), {"sh", (dir / "run").string()});
  impl_->child.emplace(command);
  if (options.beside) {
    if (!eventually([&] { return fs::exists(dir / "unplugged"); }))
      throw Error(ExitCode::unavailable, "the second machine does not start");
    call({"ip", "link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns",
          std::to_string(impl_->child->pid())});
    call({"ip", "addr", "add", "10.231.0.1/24", "dev", "cable"});
    call({"ip", "link", "set", "cable", "up"});
    call({"sh", "-c",
          fmt::format(
              "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; iptables -t nat -A PREROUTING -i cable "
              "-p tcp -d 10.231.0.1 --dport {} -j DNAT --to-destination 127.0.0.1",
              options.shared_port)});
  }
  const bool up = eventually(
      [&] {
        try {
          docker({"version"});
          return true;
        } catch (const Error&) {
          return false;
        }
      },
      Millis(60'000));
  if (!up)
    throw Error(ExitCode::unavailable, "the Docker Engine for the test does not come up")
        .detail(read_file_if_exists(dir / "log").value_or(""));
}

DockerEngine::~DockerEngine() = default;

std::string DockerEngine::host() const {
  return "unix://" + socket().string();
}
std::string DockerEngine::tcp() const {
  return fmt::format("tcp://127.0.0.1:{}", impl_->port);
}
fs::path DockerEngine::certificates() const {
  return impl_->dir.path();
}
fs::path DockerEngine::socket() const {
  return impl_->dir.path() / "docker.sock";
}
std::string DockerEngine::address() const {
  return impl_->address.empty() ? "127.0.0.1" : impl_->address;
}

std::string DockerEngine::docker(std::vector<std::string> args) const {
  args.insert(args.begin(), {"docker", "-H", host()});
  Command command;
  command.argv = std::move(args);
  command.env["DOCKER_CONFIG"] = impl_->dir.path() / "client";
  WaitOptions options;
  options.timeout = Millis(60'000);
  return run_capture(command, options);
}

void DockerEngine::init_swarm() const {
  docker({"swarm", "init", "--advertise-addr", address()});
}

void DockerEngine::join_swarm_of(const DockerEngine& manager) const {
  auto token = manager.docker({"swarm", "join-token", "-q", "worker"});
  while (token.ends_with('\n')) token.pop_back();
  docker({"swarm", "join", "--advertise-addr", address(), "--token", token, manager.address() + ":2377"});
}

std::string DockerEngine::break_by(const std::string& rules) const {
  const auto file = impl_->dir.path() / "rules.json";
  write_file_atomic(file, rules);
  const int port = free_port();
  Command command;
  command.argv = {"python3", (kSupport / "fault_proxy.py").string(), std::to_string(port), socket().string(),
                  file.string()};
  impl_->proxy.emplace(command);
  if (!eventually([&] {
        Command look;
        look.argv = {"docker", "-H", fmt::format("tcp://127.0.0.1:{}", port), "version"};
        try {
          run_capture(look);
          return true;
        } catch (const Error&) {
          return false;
        }
      }))
    throw Error(ExitCode::unavailable, "the proxy before the Docker Engine does not come up");
  return fmt::format("tcp://127.0.0.1:{}", port);
}

void DockerEngine::stop() {
  impl_->stop();
}

void DockerEngine::freeze(bool on) const {
  auto pid = call({"pgrep", "-f", fmt::format("^dockerd --data-root {}/", impl_->dir.path().string())});
  while (pid.ends_with('\n')) pid.pop_back();
  if (::kill(static_cast<pid_t>(std::stoi(pid)), on ? SIGSTOP : SIGCONT) != 0)
    throw_errno("stop the engine", errno);
}

}  // namespace slipway::test
