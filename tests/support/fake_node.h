// A node `fake` that is none: what a kubelet would tell of its pods, a thread tells by the word that their
// container finds in its variable BEHAVE; their logs come from kubelet_logs.py.
#pragma once
#include <memory>
#include <string>

#include "plugins/kubernetes/kubeconfig.h"
#include "sys/files.h"

namespace slipway::test {

class FakeNode {
 public:
  // `address`: where the API server asks for logs. `dir` has server.crt and server.key.
  FakeNode(const kubernetes::Connection& connection, const std::string& address, const fs::path& dir);
  ~FakeNode();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::test
