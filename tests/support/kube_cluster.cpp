#include "support/kube_cluster.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "plugins/kubernetes/watch.h"
#include "support/kube_node.h"
#include "support/logged_child.h"
#include "support/slipway.h"

namespace slipway::test {

namespace {

using kubernetes::Api;
using kubernetes::Request;
using nlohmann::json;

constexpr const char* kAdminToken = "admin-token-of-the-test";
constexpr const char* kDeployerToken = "deployer-token-of-the-test";

void call(std::vector<std::string> argv, const fs::path& cwd) {
  Command command;
  command.argv = std::move(argv);
  command.cwd = cwd;
  run_capture(command);
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

std::string now_text() {
  return format_utc(now_micros()).substr(0, 19) + "Z";
}

// What a kubelet tells: each pod's status by the variable BEHAVE of its first container.
class Node {
 public:
  Node(const kubernetes::Connection& connection, int log_port)
      : log_port_(log_port), thread_([this, connection](std::stop_token stop) { run(connection, stop); }) {}

 private:
  void run(const kubernetes::Connection& connection, std::stop_token stop) {
    try {
      Api api(connection, stop);
      register_node(api);
      bool news = false;
      kubernetes::Watch pods(api, "/api/v1/pods", {{"fieldSelector", "spec.nodeName=fake"}},
                             [&] { news = true; });
      for (;;) {
        if (std::exchange(news, false))
          for (const auto& [_, pod] : pods.objects()) look_after(api, pod);
        api.poll(Millis(200));
        for (auto it = due_.begin(); it != due_.end() && it->first <= now_micros(); it = due_.erase(it)) {
          patch(api, it->second.first, it->second.second);
        }
      }
    } catch (const Error& e) {
      if (e.code() != ExitCode::interrupted) fmt::print(stderr, "the test's node: {}\n", e.str());
    }
  }

  void register_node(Api& api) const {
    Request post;
    post.method = "POST";
    post.path = "/api/v1/nodes";
    post.body = {{"apiVersion", "v1"},
                 {"kind", "Node"},
                 {"metadata", {{"name", "fake"}, {"labels", {{"kubernetes.io/hostname", "fake"}}}}}};
    api.call(post);
    Request status;
    status.method = "PATCH";
    status.path = "/api/v1/nodes/fake/status";
    status.content_type = "application/merge-patch+json";
    const json resources = {
        {"cpu", "64"}, {"memory", "256Gi"}, {"pods", "1000"}, {"ephemeral-storage", "100Gi"}};
    status.body = {{"status",
                    {{"addresses", {{{"type", "InternalIP"}, {"address", "127.0.0.1"}}}},
                     {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", log_port_}}}}},
                     {"capacity", resources},
                     {"allocatable", resources},
                     {"conditions",
                      {{{"type", "Ready"},
                        {"status", "True"},
                        {"reason", "KubeletReady"},
                        {"lastHeartbeatTime", now_text()},
                        {"lastTransitionTime", now_text()}}}}}}};
    api.call(status);
  }

  static std::string behaviour(const json& pod) {
    for (const auto& one : pod.value("/spec/containers/0/env"_json_pointer, json::array()))
      if (one.value("name", "") == "BEHAVE") return one.value("value", "");
    return "";
  }

  void look_after(Api& api, const json& pod) {
    const auto uid = pod.value("/metadata/uid"_json_pointer, "");
    const auto path =
        fmt::format("/api/v1/namespaces/{}/pods/{}", pod.value("/metadata/namespace"_json_pointer, ""),
                    pod.value("/metadata/name"_json_pointer, ""));
    if (pod.contains("/metadata/deletionTimestamp"_json_pointer)) {
      if (!removed_.insert(uid).second) return;
      Request request;
      request.method = "DELETE";
      request.path = path;
      request.body = {{"gracePeriodSeconds", 0}};
      api.start(std::move(request), [](kubernetes::Answer) {});
      return;
    }
    if (!started_.insert(uid).second) return;
    const auto name = pod.value("/spec/containers/0/name"_json_pointer, "");
    const auto how = behaviour(pod);
    const json running = {{"running", {{"startedAt", now_text()}}}};
    if (pod.contains("/metadata/labels/job-name"_json_pointer)) {
      const int code = how == "bad-migration" ? 1 : 0;
      auto end = status_of(name,
                           {{"terminated",
                             {{"exitCode", code},
                              {"reason", code ? "Error" : "Completed"},
                              {"startedAt", now_text()},
                              {"finishedAt", now_text()}}}},
                           false, 0);
      end["status"]["phase"] = code ? "Failed" : "Succeeded";
      patch(api, path, status_of(name, running, true, 0));
      later(300, path, end);
    } else if (how == "bad-image") {
      patch(api, path,
            status_of(name, {{"waiting", {{"reason", "ErrImagePull"}, {"message", "manifest unknown"}}}},
                      false, 0));
      later(700, path,
            status_of(name,
                      {{"waiting", {{"reason", "ImagePullBackOff"}, {"message", "Back-off pulling image"}}}},
                      false, 0));
    } else if (how == "crash" || how == "flap") {
      const json ended = {
          {"terminated",
           {{"exitCode", 3}, {"reason", "Error"}, {"startedAt", now_text()}, {"finishedAt", now_text()}}}};
      for (int i = 0; i < (how == "flap" ? 1 : 4); ++i)
        later(200 * (i + 1), path,
              status_of(name,
                        {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", "back-off restarting"}}}},
                        false, i + 1, ended));
      if (how == "flap") later(600, path, status_of(name, running, true, 1, ended));
    } else if (how == "wrong-arch") {
      patch(api, path,
            status_of(
                name,
                {{"waiting", {{"reason", "RunContainerError"}, {"message", "exec /app: exec format error"}}}},
                false, 1));
    } else if (how == "never-ready") {
      patch(api, path, status_of(name, running, false, 0));
    } else if (how == "late-crash") {
      patch(api, path, status_of(name, running, true, 0));
      later(1'500, path,
            status_of(name, running, false, 3, {{"terminated", {{"exitCode", 139}, {"reason", "Error"}}}}));
    } else {
      if (how == "slow") {
        patch(api, path, status_of(name, running, false, 0));
        later(1'500, path, status_of(name, running, true, 0));
      } else {
        patch(api, path, status_of(name, running, true, 0));
      }
    }
  }

  static json status_of(const std::string& container, const json& state, bool ready, int restarts,
                        const json& last = nullptr) {
    json one = {{"name", container}, {"image", "x"},   {"imageID", ""},
                {"state", state},    {"ready", ready}, {"restartCount", restarts},
                {"started", ready}};
    one["lastState"] = last.is_null() ? json::object() : last;
    json conditions = json::array();
    for (const char* type : {"Initialized", "PodScheduled"})
      conditions.push_back({{"type", type}, {"status", "True"}});
    for (const char* type : {"Ready", "ContainersReady"})
      conditions.push_back(
          {{"type", type}, {"status", ready ? "True" : "False"}, {"lastTransitionTime", now_text()}});
    return {{"status",
             {{"phase", state.contains("running") ? "Running" : "Pending"},
              {"startTime", now_text()},
              {"podIP", "10.1.0.1"},
              {"conditions", conditions},
              {"containerStatuses", {one}}}}};
  }

  void later(std::int64_t ms, const std::string& path, json body) {
    due_.emplace(now_micros() + ms * 1000, std::pair{path, std::move(body)});
  }

  static void patch(Api& api, const std::string& path, const json& body) {
    Request request;
    request.method = "PATCH";
    request.path = path + "/status";
    request.content_type = "application/strategic-merge-patch+json";
    request.body = body;
    api.start(std::move(request),
              [](kubernetes::Answer) {});  // the pod may be gone: then there is nothing to tell
  }

  const int log_port_;
  std::set<std::string> started_, removed_;
  std::multimap<std::int64_t, std::pair<std::string, json>> due_;
  std::jthread thread_;
};

}  // namespace

struct KubeCluster::Impl {
  TempDir dir{fs::temp_directory_path(), "slipway-kubernetes-"};
  int port = free_port(), etcd_port = free_port(), peer_port = free_port();
  std::optional<Child> etcd, server, controllers, scheduler, logs, proxy;
  int proxy_port = free_port();
  std::unique_ptr<Node> node;
  std::unique_ptr<KubeNode> real_node;

  std::string address() const { return fmt::format("https://127.0.0.1:{}", port); }

  fs::path write_config(const std::string& name, const std::string& user, const std::string& address) const {
    const auto file = dir.path() / (name + ".kubeconfig");
    write_file_atomic(file,
                      fmt::format(R"(apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{}", certificate-authority: ca.crt}}}}]
users: [{{name: test, user: {}}}]
contexts: [{{name: test, context: {{cluster: test, user: test, namespace: default}}}}]
current-context: test
)",
                                  address, user),
                      0600);
    return file;
  }

  bool answers(const std::string& path) const {
    HttpRequest request;
    request.url = address() + path;
    request.verify_tls = false;
    request.headers["Authorization"] = std::string("Bearer ") + kAdminToken;
    try {
      return HttpClient().send(request).status == 200;
    } catch (const Error&) {
      return false;
    }
  }
};

fs::path KubeCluster::programs() {
  const char* given = std::getenv("SLIPWAY_TEST_KUBERNETES");
  if (given && *given) return given;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const auto dir =
      (cache && *cache ? fs::path(cache) : fs::path("/var/cache")) / "slipway-tests/kubernetes-1.20.2";
  if (fs::exists(dir / "complete-2")) return dir;
  const char* ci = std::getenv("CI");
  if (ci && *ci) FAIL("`" << dir.string() << "` is missing: tests/support/kubernetes/build makes it");
  WARN("skipped: no control plane in `" << dir.string() << "`: tests/support/kubernetes/build makes it");
  return {};
}

KubeCluster::KubeCluster(Nodes nodes) : impl_(std::make_unique<Impl>()) {
  const auto bin = programs();
  const auto& dir = impl_->dir.path();
  make_certificates(dir);
  write_file_atomic(
      dir / "tokens.csv",
      fmt::format("{},admin,admin,\"system:masters\"\n{},deployer,deployer\n", kAdminToken, kDeployerToken));
  const auto etcd_url = fmt::format("http://127.0.0.1:{}", impl_->etcd_port),
             peer_url = fmt::format("http://127.0.0.1:{}", impl_->peer_port);
  impl_->etcd.emplace(start_logged(
      dir, "etcd",
      {"etcd", "--name", "k", "--data-dir", "etcd", "--unsafe-no-fsync", "--listen-client-urls", etcd_url,
       "--advertise-client-urls", etcd_url, "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls",
       peer_url, "--initial-cluster", "k=" + peer_url, "--logger", "zap"}));
  impl_->server.emplace(start_logged(
      dir, "server",
      {(bin / "kube-apiserver").string(), "--bind-address=127.0.0.1",
       fmt::format("--secure-port={}", impl_->port), "--advertise-address=127.0.0.1",
       "--endpoint-reconciler-type=none", "--etcd-servers=" + etcd_url, "--tls-cert-file=server.crt",
       "--tls-private-key-file=server.key", "--client-ca-file=ca.crt", "--token-auth-file=tokens.csv",
       "--authorization-mode=Node,RBAC", "--service-account-issuer=https://x",
       "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
       "--service-cluster-ip-range=10.120.0.0/20", "--allow-privileged=true",
       "--kubelet-client-certificate=controller.crt", "--kubelet-client-key=controller.key"}));
  impl_->write_config("controller", "{client-certificate: controller.crt, client-key: controller.key}",
                      impl_->address());
  const auto config = "controller.kubeconfig";
  REQUIRE(eventually([&] { return impl_->answers("/readyz"); }, Millis(60'000)));
  const auto kubeconfigs = [&](std::vector<std::string> argv) {
    for (const char* flag : {"--kubeconfig=", "--authentication-kubeconfig=", "--authorization-kubeconfig="})
      argv.push_back(std::string(flag) + config);
    for (const char* flag : {"--port=0", "--bind-address=127.0.0.1", "--cert-dir=.", "--leader-elect=false"})
      argv.push_back(flag);
    argv.push_back(fmt::format("--secure-port={}", free_port()));
    return argv;
  };
  impl_->controllers.emplace(start_logged(
      dir, "controllers",
      kubeconfigs({(bin / "kube-controller-manager").string(), "--root-ca-file=ca.crt",
                   "--service-account-private-key-file=sa.key", "--use-service-account-credentials=false",
                   "--node-monitor-grace-period=87600h", "--flex-volume-plugin-dir=flex"})));
  impl_->scheduler.emplace(start_logged(dir, "scheduler", kubeconfigs({(bin / "kube-scheduler").string()})));
  REQUIRE(eventually([&] { return impl_->answers("/api/v1/namespaces/default/serviceaccounts/default"); },
                     Millis(60'000)));
  if (nodes == Nodes::real) {
    impl_->real_node = std::make_unique<KubeNode>(
        KubeNode::Of{dir, bin, impl_->address(), kAdminToken, (dir / config).string()});
    return;
  }
  kubernetes::Wanted wanted;
  wanted.kubeconfig = kubeconfig().string();
  const int log_port = free_port();
  impl_->logs.emplace(start_logged(
      dir, "logs",
      {"python3", (fs::path(SLIPWAY_SOURCE_DIR) / "tests/support/kubernetes/kubelet_logs.py").string(),
       std::to_string(log_port), "server.crt", "server.key"}));
  impl_->node = std::make_unique<Node>(kubernetes::find_connection(wanted), log_port);
}

KubeCluster::~KubeCluster() {
  impl_->node.reset();
  impl_->real_node.reset();
  for (auto* child :
       {&impl_->proxy, &impl_->logs, &impl_->scheduler, &impl_->controllers, &impl_->server, &impl_->etcd})
    child->reset();
}

std::string KubeCluster::server() const {
  return impl_->address();
}

fs::path KubeCluster::kubeconfig(const std::string& user, const std::string& server) const {
  const auto name =
      server.empty() ? user : user + "-" + std::to_string(std::hash<std::string>()(server) % 100'000);
  return impl_->write_config(name,
                             fmt::format("{{token: {}}}", user == "admin" ? kAdminToken : kDeployerToken),
                             server.empty() ? impl_->address() : server);
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
  Command command;
  command.argv = {"kubectl", "--kubeconfig", kubeconfig().string()};
  command.argv.insert(command.argv.end(), args.begin(), args.end());
  command.env["HOME"] = impl_->dir.path();
  command.input = input;
  try {
    return run_capture(command);
  } catch (const Error& e) {
    UNSCOPED_INFO(e.str());
    throw;
  }
}

}  // namespace slipway::test
