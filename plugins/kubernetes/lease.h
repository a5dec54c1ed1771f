// One rollout of a place at a time: a Lease (coordination.k8s.io/v1) that ends by itself when its owner does.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "plugins/kubernetes/generate.h"
#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

class Lease {
 public:
  // Throws Error(denied) naming the owner when another holds it. Renewed from Api::poll.
  Lease(Api& api, const Place& place);
  ~Lease();  // given back, when the cluster can be reached
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  // Throws Error(denied) when another took it, which happens when we could not renew it in time.
  void check() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::kubernetes
