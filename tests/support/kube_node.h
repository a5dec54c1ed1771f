// A real node for a control plane: a kubelet on a containerd of its own, kube-proxy, and names of Services
// for its pods. Its bridge and its rules are of the network namespace it is started in
// (support/own_network.h).
#pragma once
#include <memory>
#include <string>

#include "sys/files.h"

namespace slipway::test {

class KubeNode {
 public:
  // False where a node cannot be: a failure of the test in CI when a program is missing, otherwise a named
  // skip.
  static bool possible();

  struct Of {
    fs::path dir;            // of the control plane: its certificates, logs of what we start
    fs::path programs;       // kubelet, kube-proxy
    std::string server;      // "https://127.0.0.1:PORT"
    std::string token;       // of an administrator
    std::string kubeconfig;  // of an administrator, with a client certificate
  };
  explicit KubeNode(const Of& cluster);  // ready for pods when it returns
  // Ends every process of every pod; throws nothing.
  ~KubeNode();
  void forget_images(const std::string& part) const;  // those whose names have it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::test
