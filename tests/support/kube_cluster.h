// A real Kubernetes control plane on loopback (etcd, API server, controllers, scheduler; TLS and RBAC on)
// with one node. The fake one is none: what a kubelet would tell of its pods, a thread tells by the word that
// their container finds in its variable BEHAVE. The real one (kube_node.h) runs them. Everything ends and
// goes with its owner.
#pragma once
#include <memory>
#include <string>

#include "sys/files.h"

namespace slipway::test {

class KubeCluster {
 public:
  // The folder with the programs, built when they are not there yet (tests/support/kubernetes/build); fails
  // the test in CI and gives "" elsewhere when that is not possible.
  static fs::path programs();

  enum class Nodes { fake, real };
  explicit KubeCluster(Nodes nodes = Nodes::fake);  // ready when it returns
  ~KubeCluster();
  std::string server() const;  // "https://127.0.0.1:PORT"
  // A kubeconfig with the context `test`: of the cluster's administrator, or of one who has only what Roles
  // give to the user `deployer`. `server`: through something else than the API server's own port.
  fs::path kubeconfig(const std::string& user = "admin", const std::string& server = "") const;
  // The address of a proxy before the API server that breaks what `rules` say (fault_proxy.py), from now on.
  std::string break_by(const std::string& rules) const;
  // The real node forgets its copies of images whose names have `part`.
  void forget_images(const std::string& part) const;
  // kubectl's stdout with this cluster's administrator; throws when it fails.
  std::string kubectl(std::vector<std::string> args, const std::string& input = "") const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::test
