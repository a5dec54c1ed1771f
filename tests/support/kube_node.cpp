#include "support/kube_node.h"

#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "base/error.h"
#include "oci/export.h"
#include "support/busybox_image.h"
#include "support/kube_cluster.h"
#include "support/logged_child.h"
#include "support/slipway.h"
#include "sys/http.h"
#include "sys/process_id.h"

namespace slipway::test {

namespace {

constexpr const char* kBridge = "10.121.0.1";
constexpr const char* kPods = "10.121.0.0/16";
constexpr const char* kPause = "slipway.test/pause:1";
const fs::path kGroups = "/sys/fs/cgroup";

void call(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  run_capture(command);
}

// The hierarchies of cgroup v1, and the one of v2 beside them.
std::vector<fs::path> hierarchies() {
  std::vector<fs::path> out;
  for (const char* name : {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
                           "systemd", "hugetlb", "net_cls", "net_prio", "perf_event", "unified"})
    if (fs::exists(kGroups / name) && !fs::is_symlink(kGroups / name)) out.push_back(kGroups / name);
  return out;
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Ends all that runs below `name` in any hierarchy, and removes it.
void remove_group(const std::string& name) {
  const auto below = [](const fs::path& top) {
    std::vector<fs::path> out;
    std::error_code ignored;  // groups go while we look
    if (!fs::exists(top, ignored)) return out;
    for (fs::recursive_directory_iterator it(top, ignored), end; it != end; it.increment(ignored))
      if (it->is_directory(ignored)) out.push_back(it->path());
    std::reverse(out.begin(), out.end());
    out.push_back(top);
    return out;
  };
  eventually(
      [&] {
        bool all = true;
        for (const auto& hierarchy : hierarchies())
          for (const auto& group : below(hierarchy / name)) {
            std::istringstream pids(text_of(group / "cgroup.procs"));
            for (pid_t pid; pids >> pid;)
              if (pid > 1) ::kill(pid, SIGKILL);
            all &= ::rmdir(group.c_str()) == 0 || errno == ENOENT;
          }
        return all;
      },
      Millis(10'000));
}

// The processes whose command line has `part`: containerd's shims leave every process group.
void end_those_with(const std::string& part) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto pid = std::atoi(entry.path().filename().c_str());
    if (pid > 1 && pid != ::getpid() && text_of(entry.path() / "cmdline").find(part) != std::string::npos)
      ::kill(pid, SIGKILL);
  }
}

}  // namespace

struct KubeNode::Impl {
  explicit Impl(const Of& of)
      : cluster(of),
        dir(of.dir / "node"),
        group(fmt::format("slipway-kube-node-{}-{}", ::getpid(), start_of(::getpid()))) {}

  // Also after a start that failed half-way.
  ~Impl() {
    kubelet.reset();  // or it would start again what ends now
    proxy.reset();
    names.reset();
    end_those_with(socket().string());
    containerd.reset();
    remove_group(group);
    // Also from here, so that the folder can be removed.
    std::istringstream mounts(text_of("/proc/thread-self/mounts"));
    std::vector<std::string> ours;
    for (std::string device, path, rest; mounts >> device >> path && std::getline(mounts, rest);)
      if (path.starts_with(dir.string() + "/")) ours.push_back(path);
    for (auto it = ours.rbegin(); it != ours.rend(); ++it) ::umount2(it->c_str(), MNT_DETACH);
  }

  fs::path socket() const { return dir / "containerd.sock"; }

  // What a run that was killed has left.
  static void sweep() {
    for (const auto& hierarchy : hierarchies())
      for (const auto& entry : fs::directory_iterator(hierarchy)) {
        int pid = 0;
        unsigned long long start = 0;
        const auto name = entry.path().filename().string();
        if (std::sscanf(name.c_str(), "slipway-kube-node-%d-%llu", &pid, &start) == 2 &&
            !is_alive({pid, start}))
          remove_group(name);
      }
  }

  void make_network() const {
    call({"ip", "link", "add", "kube0", "type", "bridge"});
    call({"ip", "address", "add", std::string(kBridge) + "/16", "dev", "kube0"});
    call({"ip", "link", "set", "kube0", "up"});
    // Addresses of Services, which kube-proxy turns into those of pods, must lead somewhere before that.
    call({"ip", "route", "add", "default", "dev", "kube0"});
    call({"sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"});
    make_dirs(dir / "cni");
    write_file_atomic(dir / "cni/10-kube.conf",
                      fmt::format(R"({{"cniVersion": "0.4.0", "name": "kube", "type": "bridge",
 "bridge": "kube0", "isGateway": true, "hairpinMode": true,
 "ipam": {{"type": "host-local", "subnet": "{}", "gateway": "{}", "dataDir": "{}/addresses",
          "routes": [{{"dst": "0.0.0.0/0"}}]}}}})",
                                  kPods, kBridge, dir.string()));
  }

  void make_groups() const {
    for (const auto& hierarchy : hierarchies()) {
      if (hierarchy.filename() == "unified") continue;  // runc makes its own there
      fs::create_directory(hierarchy / group);
      if (hierarchy.filename() != "cpuset") continue;
      for (const char* file : {"cpuset.cpus", "cpuset.mems"})
        std::ofstream(hierarchy / group / file) << text_of(hierarchy / file);
    }
  }

  void start_containerd() {
    write_file_atomic(dir / "containerd.toml", fmt::format(R"(version = 2
root = "{0}/root"
state = "{0}/state"
[grpc]
  address = "{0}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{1}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{0}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
)",
                                                           dir.string(), kPause));
    containerd.emplace(
        start_logged(dir, "containerd", {"containerd", "--config", (dir / "containerd.toml").string()}));
    REQUIRE(eventually([&] { return ctr({"version"}); }, Millis(30'000)));
    // The container that holds a pod's namespaces.
    TempDir layout(dir, "pause-");
    oci::Store store(layout.path());
    oci::ImageConfig config;
    config.entrypoint = {"/bin/sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 1000 & wait $!; done"};
    const auto image = make_busybox_image(store, config);
    oci::export_image(store, image, "docker-archive:" + (dir / "pause.tar").string(), kPause);
    REQUIRE(ctr({"-n", "k8s.io", "images", "import", (dir / "pause.tar").string()}));
  }

  Finished ctr(std::vector<std::string> args, std::string& out) const {
    Command command;
    command.argv = {"ctr", "--address", socket().string()};
    command.argv.insert(command.argv.end(), args.begin(), args.end());
    return run_process(command, [&](Stream, std::string_view text) { out += text; });
  }
  bool ctr(std::vector<std::string> args) const {
    std::string ignored;
    return ctr(std::move(args), ignored).status.ok();
  }

  void start_kubelet() {
    const int port = free_port(), health = free_port();
    write_file_atomic(dir / "kubelet.yaml", fmt::format(R"(apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: {}
readOnlyPort: 0
healthzPort: {}
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: false}}, x509: {{clientCAFile: {}/ca.crt}}}}
authorization: {{mode: AlwaysAllow}}
clusterDomain: cluster.local
clusterDNS: [{}]
cgroupDriver: cgroupfs
cgroupRoot: /{}
enforceNodeAllocatable: []
oomScoreAdj: 0
failSwapOn: false
makeIPTablesUtilChains: false
resolvConf: ""
nodeStatusUpdateFrequency: 1s
syncFrequency: 2s
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {{memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}}
serializeImagePulls: false
featureGates: {{DevicePlugins: false}}
)",
                                                        port, health, cluster.dir.string(), kBridge, group));
    kubelet.emplace(start_logged(
        dir, "kubelet",
        {(cluster.programs / "kubelet").string(), "--kubeconfig=" + cluster.kubeconfig,
         "--config=" + (dir / "kubelet.yaml").string(), "--root-dir=" + (dir / "kubelet").string(),
         "--cert-dir=" + (dir / "certificates").string(), "--hostname-override=127.0.0.1",
         "--container-runtime=remote", "--container-runtime-endpoint=unix://" + socket().string()}));
    proxy.emplace(start_logged(
        dir, "kube-proxy",
        {(cluster.programs / "kube-proxy").string(), "--kubeconfig=" + cluster.kubeconfig,
         "--proxy-mode=iptables", std::string("--cluster-cidr=") + kPods, "--hostname-override=127.0.0.1",
         "--bind-address=127.0.0.1", fmt::format("--healthz-bind-address=127.0.0.1:{}", free_port()),
         fmt::format("--metrics-bind-address=127.0.0.1:{}", free_port()), "--conntrack-max-per-core=0",
         "--conntrack-min=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
         "--oom-score-adj=0"}));
    names.emplace(
        start_logged(dir, "dns",
                     {"python3", (fs::path(SLIPWAY_SOURCE_DIR) / "tests/support/kubernetes/dns.py").string(),
                      kBridge, cluster.server, cluster.token}));
    INFO("the kubelet's log: " << text_of(dir / "kubelet.log"));
    REQUIRE(eventually([&] { return is_ready(); }, Millis(60'000)));
  }

  bool is_ready() const {
    HttpRequest request;
    request.url = cluster.server + "/api/v1/nodes/127.0.0.1";
    request.verify_tls = false;
    request.headers["Authorization"] = "Bearer " + cluster.token;
    try {
      const auto node = nlohmann::json::parse(HttpClient().send(request).body);
      for (const auto& one : node.value("/status/conditions"_json_pointer, nlohmann::json::array()))
        if (one.value("type", "") == "Ready" && one.value("status", "") == "True") return true;
    } catch (const Error&) {
      // not there yet
    }
    return false;
  }

  const Of cluster;
  const fs::path dir;
  const std::string group;
  std::optional<Child> containerd, kubelet, proxy, names;
};

bool KubeNode::possible() {
  if (!KubeCluster::other().empty()) {
    WARN("skipped: a node of the suite's own does not join another cluster");
    return false;
  }
  for (const char* program : {"kubelet", "kube-proxy"})
    if (!fs::exists(KubeCluster::programs() / program)) {
      WARN("skipped: `" << KubeCluster::programs().string() << "` has no `" << program << "`");
      return false;
    }
  for (const char* program : {"containerd", "runc", "ip", "iptables", "python3", "busybox"})
    if (!have(program)) return false;
  if (::geteuid() != 0) {
    WARN("skipped: a node needs root");
    return false;
  }
  if (!fs::exists(kGroups / "memory") || !fs::exists(kGroups / "cpuset")) {
    WARN("skipped: a node of 1.20 needs the hierarchies of cgroup v1");
    return false;
  }
  return true;
}

KubeNode::KubeNode(const Of& cluster) : impl_(std::make_unique<Impl>(cluster)) {
  Impl::sweep();
  make_dirs(impl_->dir);
  impl_->make_network();
  impl_->make_groups();
  impl_->start_containerd();
  impl_->start_kubelet();
}

void KubeNode::forget_images(const std::string& part) const {
  std::string names;
  REQUIRE(impl_->ctr({"-n", "k8s.io", "images", "ls", "-q"}, names).status.ok());
  std::istringstream lines(names);
  for (std::string name; lines >> name;)
    if (name.find(part) != std::string::npos)
      REQUIRE(impl_->ctr({"-n", "k8s.io", "images", "rm", "--sync", name}));
}

KubeNode::~KubeNode() = default;

}  // namespace slipway::test
