#include "support/kube_cluster.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "base/error.h"
#include "plugins/kubernetes/kubeconfig.h"
#include "support/fake_node.h"
#include "support/kube_node.h"
#include "support/logged_child.h"
#include "support/slipway.h"
#include "sys/http.h"

namespace slipway::test {

namespace {

using nlohmann::json;

constexpr const char* kAdminToken = "admin-token-of-the-test";
constexpr const char* kDeployerToken = "deployer-token-of-the-test";

void call(std::vector<std::string> argv, const fs::path& cwd) {
  Command command;
  command.argv = std::move(argv);
  command.cwd = cwd;
  run_capture(command);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_of_1_20(const fs::path& bin) {
  Command command;
  command.argv = {(bin / "kube-scheduler").string(), "--version"};
  return run_capture(command).find(" v1.20.") != std::string::npos;
}

// The certificates of a cluster, all of one CA, in `dir`.
void make_certificates(const fs::path& dir) {
  const std::vector<std::string> key = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                        "-nodes"};
  const auto with = [&](std::vector<std::string> argv, const std::vector<std::string>& more) {
    argv.insert(argv.begin() + 2, more.begin(), more.end());
    return argv;
  };
  call(with({"openssl", "req", "-x509", "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out",
             "ca.crt"},
            key),
       dir);
  const auto issue = [&](const std::string& name, const std::string& subject, const std::string& extension) {
    write_file_atomic(dir / (name + ".ext"), extension);
    call(with({"openssl", "req", "-subj", subject, "-keyout", name + ".key", "-out", name + ".csr"}, key),
         dir);
    call({"openssl", "x509", "-req", "-days", "2", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key",
          "-CAcreateserial", "-extfile", name + ".ext", "-out", name + ".crt"},
         dir);
  };
  issue("server", "/CN=kube-apiserver",
        "subjectAltName=IP:127.0.0.1,IP:10.120.0.1,DNS:localhost,DNS:kubernetes.default."
        "svc\nextendedKeyUsage=serverAuth\n");
  issue("controller", "/O=system:masters/CN=controller", "extendedKeyUsage=clientAuth\n");
  call({"openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "sa.key"}, dir);
  call({"openssl", "ec", "-in", "sa.key", "-pubout", "-out", "sa.pub"}, dir);
}

}  // namespace

struct KubeCluster::Impl {
  TempDir dir{fs::temp_directory_path(), "slipway-kubernetes-"};
  int port = free_port(), etcd_port = free_port(), peer_port = free_port();
  std::optional<Child> etcd, server, controllers, scheduler, proxy;
  int proxy_port = free_port();
  std::unique_ptr<FakeNode> node;
  std::unique_ptr<KubeNode> real_node;
  json cluster, admin, deployer;               // entries of a kubeconfig
  std::vector<std::string> namespaces, nodes;  // made in, and kept from work in, the cluster of another

  fs::path write_config(const std::string& name, const json& user, const std::string& address) const {
    const auto file = dir.path() / (name + ".kubeconfig");
    auto where = cluster;
    if (!address.empty()) where["server"] = address;
    const json config = {{"apiVersion", "v1"},
                         {"kind", "Config"},
                         {"clusters", {{{"name", "test"}, {"cluster", where}}}},
                         {"users", {{{"name", "test"}, {"user", user}}}},
                         {"contexts",
                          {{{"name", "test"},
                            {"context", {{"cluster", "test"}, {"user", "test"}, {"namespace", "default"}}}}}},
                         {"current-context", "test"}};
    write_file_atomic(file, config.dump(1), 0600);
    return file;
  }

  bool answers(const std::string& path) const {
    HttpRequest request;
    request.url = cluster.at("server").get<std::string>() + path;
    request.verify_tls = false;
    request.headers["Authorization"] = std::string("Bearer ") + kAdminToken;
    try {
      return HttpClient().send(request).status == 200;
    } catch (const Error&) {
      return false;
    }
  }

  std::string kubectl(std::vector<std::string> args, const std::string& input = "") const {
    Command command;
    command.argv = {"kubectl", "--kubeconfig", write_config("admin", admin, "").string()};
    command.argv.insert(command.argv.end(), args.begin(), args.end());
    command.env["HOME"] = dir.path();
    command.input = input;
    try {
      return run_capture(command);
    } catch (const Error& e) {
      UNSCOPED_INFO(e.str());
      throw;
    }
  }

  void start_own(const fs::path& bin);
  void enter_other();
  void leave_other();
  ~Impl();
};

std::string KubeCluster::other() {
  return variable("SLIPWAY_TEST_CONTEXT");
}

fs::path KubeCluster::programs() {
  for (const char* name : {"KUBEBUILDER_ASSETS", "SLIPWAY_TEST_KUBERNETES"})
    if (const auto given = variable(name); !given.empty()) return given;
  const auto cache = variable("XDG_CACHE_HOME");
  const auto dir = fs::path(cache.empty() ? "/var/cache" : cache) / "slipway-tests/kubernetes-1.20.2";
  if (fs::exists(dir / "complete-2")) return dir;
  skip(fmt::format("there is no control plane in `{}` (tests/support/kubernetes/build makes it)",
                   dir.string()));
  return {};
}

bool KubeCluster::rolls_out() {
  if (!other().empty()) return true;
  const auto bin = programs();
  if (bin.empty()) return false;
  for (const char* program : {"kube-controller-manager", "kube-scheduler"})
    if (!fs::exists(bin / program)) {
      WARN("skipped: `" << bin.string() << "` has no `" << program << "`, so nothing is rolled out");
      return false;
    }
  return true;
}

KubeCluster::KubeCluster(Nodes nodes) : impl_(std::make_unique<Impl>()) {
  const auto& dir = impl_->dir.path();
  make_certificates(dir);
  const auto bin = other().empty() ? programs() : fs::path();
  if (other().empty())
    impl_->start_own(bin);
  else
    impl_->enter_other();
  if (nodes == Nodes::real) {
    impl_->real_node = std::make_unique<KubeNode>(
        KubeNode::Of{dir, bin, server(), kAdminToken, (dir / "controller.kubeconfig").string()});
  } else if (nodes == Nodes::fake && (impl_->controllers || !other().empty())) {
    kubernetes::Wanted wanted;
    wanted.kubeconfig = kubeconfig().string();
    // Where API servers outside of this machine's loopback reach us.
    const auto address = variable("SLIPWAY_TEST_NODE_ADDRESS");
    impl_->node = std::make_unique<FakeNode>(kubernetes::find_connection(wanted),
                                             address.empty() ? "127.0.0.1" : address, dir);
    REQUIRE(eventually([&] { return kubectl({"get", "nodes"}).find("fake") != std::string::npos; }));
  }
}

void KubeCluster::Impl::start_own(const fs::path& bin) {
  const auto& in = dir.path();
  cluster = {{"server", fmt::format("https://127.0.0.1:{}", port)}, {"certificate-authority", "ca.crt"}};
  admin = {{"token", kAdminToken}};
  deployer = {{"token", kDeployerToken}};
  write_file_atomic(
      in / "tokens.csv",
      fmt::format("{},admin,admin,\"system:masters\"\n{},deployer,deployer\n", kAdminToken, kDeployerToken));
  const auto etcd_url = fmt::format("http://127.0.0.1:{}", etcd_port),
             peer_url = fmt::format("http://127.0.0.1:{}", peer_port);
  const auto own_etcd = fs::exists(bin / "etcd") ? (bin / "etcd").string() : std::string("etcd");
  etcd.emplace(start_logged(
      in, "etcd",
      {own_etcd, "--name", "k", "--data-dir", "etcd", "--unsafe-no-fsync", "--listen-client-urls", etcd_url,
       "--advertise-client-urls", etcd_url, "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls",
       peer_url, "--initial-cluster", "k=" + peer_url, "--logger", "zap"}));
  server.emplace(start_logged(
      in, "server",
      {(bin / "kube-apiserver").string(), "--bind-address=127.0.0.1", fmt::format("--secure-port={}", port),
       "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--etcd-servers=" + etcd_url,
       "--tls-cert-file=server.crt", "--tls-private-key-file=server.key", "--client-ca-file=ca.crt",
       "--token-auth-file=tokens.csv", "--authorization-mode=Node,RBAC", "--service-account-issuer=https://x",
       "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
       "--service-cluster-ip-range=10.120.0.0/20", "--allow-privileged=true",
       "--kubelet-client-certificate=controller.crt", "--kubelet-client-key=controller.key"}));
  write_config("controller", {{"client-certificate", "controller.crt"}, {"client-key", "controller.key"}},
               "");
  REQUIRE(eventually([&] { return answers("/readyz"); }, Millis(60'000)));
  if (!fs::exists(bin / "kube-controller-manager")) return;  // envtest's
  const auto with = [&](std::vector<std::string> argv) {
    for (const char* flag : {"--kubeconfig=", "--authentication-kubeconfig=", "--authorization-kubeconfig="})
      argv.push_back(flag + std::string("controller.kubeconfig"));
    // By default they ask 20 to 50 times a second, and everything waits for them.
    for (const char* flag : {"--bind-address=127.0.0.1", "--cert-dir=.", "--leader-elect=false",
                             "--kube-api-qps=2000", "--kube-api-burst=4000"})
      argv.push_back(flag);
    if (is_of_1_20(bin)) argv.push_back("--port=0");  // or an insecure one is open
    argv.push_back(fmt::format("--secure-port={}", free_port()));
    return argv;
  };
  controllers.emplace(start_logged(
      in, "controllers",
      with({(bin / "kube-controller-manager").string(), "--root-ca-file=ca.crt",
            "--service-account-private-key-file=sa.key", "--use-service-account-credentials=false",
            "--node-monitor-grace-period=87600h", "--flex-volume-plugin-dir=flex"})));
  scheduler.emplace(start_logged(in, "scheduler", with({(bin / "kube-scheduler").string()})));
  REQUIRE(eventually([&] { return answers("/api/v1/namespaces/default/serviceaccounts/default"); },
                     Millis(60'000)));
}

// The cluster of $KUBECONFIG and $SLIPWAY_TEST_CONTEXT. Its own nodes take no pods while we are there, since
// what the tests roll out runs on the fake one only.
void KubeCluster::Impl::enter_other() {
  Command view;
  view.argv = {"kubectl", "--context", other(),     "config", "view",
               "--raw",   "--minify",  "--flatten", "-o",     "json"};
  const auto config = json::parse(run_capture(view));
  cluster = config.at("/clusters/0/cluster"_json_pointer);
  admin = config.at("/users/0/user"_json_pointer);
  deployer = admin;
  deployer["as"] = "deployer";
  const auto all = json::parse(kubectl({"get", "nodes", "-o", "json"}));
  for (const auto& node : all.at("items")) {
    if (node.value("/spec/unschedulable"_json_pointer, false)) continue;
    nodes.push_back(node.at("/metadata/name"_json_pointer).get<std::string>());
    kubectl({"cordon", nodes.back()});
  }
}

void KubeCluster::Impl::leave_other() {
  try {
    for (const auto& name : namespaces) kubectl({"delete", "namespace", name});
    node.reset();
    kubectl({"delete", "node", "fake", "--ignore-not-found"});
    for (const auto& name : nodes) kubectl({"uncordon", name});
  } catch (const Error& e) {
    WARN("the other cluster is not as it was: " << e.str());
  }
}

KubeCluster::Impl::~Impl() {
  if (!other().empty() && !admin.is_null()) leave_other();
  node.reset();
  real_node.reset();
  for (auto* child : {&proxy, &scheduler, &controllers, &server, &etcd}) child->reset();
}

KubeCluster::~KubeCluster() = default;

void KubeCluster::make_namespace(const std::string& name) {
  kubectl({"create", "namespace", name});
  if (!other().empty()) impl_->namespaces.push_back(name);  // our own ends whole
}

std::string KubeCluster::server() const {
  return impl_->cluster.at("server").get<std::string>();
}

fs::path KubeCluster::kubeconfig(const std::string& user, const std::string& server) const {
  const auto name =
      server.empty() ? user : user + "-" + std::to_string(std::hash<std::string>()(server) % 100'000);
  return impl_->write_config(name, user == "admin" ? impl_->admin : impl_->deployer, server);
}

std::string KubeCluster::break_by(const std::string& rules) const {
  const auto& dir = impl_->dir.path();
  write_file_atomic(dir / "rules.json", rules);
  const auto address = fmt::format("https://127.0.0.1:{}", impl_->proxy_port);
  if (impl_->proxy) return address;
  impl_->proxy.emplace(start_logged(
      dir, "proxy",
      {"python3", (fs::path(SLIPWAY_SOURCE_DIR) / "tests/support/kubernetes/fault_proxy.py").string(),
       std::to_string(impl_->proxy_port), std::to_string(impl_->port), "server.crt", "server.key",
       "rules.json"}));
  REQUIRE(eventually([&] {
    HttpRequest request;
    request.url = address + "/version";
    request.verify_tls = false;
    try {
      return HttpClient().send(request).status > 0;
    } catch (const Error&) {
      return false;
    }
  }));
  return address;
}

void KubeCluster::forget_images(const std::string& part) const {
  impl_->real_node->forget_images(part);
}

std::string KubeCluster::kubectl(std::vector<std::string> args, const std::string& input) const {
  return impl_->kubectl(std::move(args), input);
}

}  // namespace slipway::test
