// A real Kubernetes control plane on loopback (etcd, API server, controllers, scheduler; TLS and RBAC on)
// with one node: the fake one (fake_node.h) tells what it is told to, the real one (kube_node.h) runs pods.
// Everything ends and goes with its owner.
//
// Its programs are those that tests/support/kubernetes/build makes, or of $SLIPWAY_TEST_KUBERNETES, or of
// $KUBEBUILDER_ASSETS (as envtest sets it). With $SLIPWAY_TEST_CONTEXT it is another cluster, of $KUBECONFIG:
// the fake node joins it, its own take nothing meanwhile, and namespaces are removed at the end.
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
  static std::string other();  // the context of another cluster; "": ours
  // There are controllers and a scheduler; otherwise a named skip.
  static bool rolls_out();

  enum class Nodes { none, fake, real };
  explicit KubeCluster(Nodes nodes = Nodes::fake);  // ready when it returns
  ~KubeCluster();
  void make_namespace(const std::string& name);
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
