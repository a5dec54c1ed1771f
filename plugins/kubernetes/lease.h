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
  // Throws Error(denied) naming the owner when another holds it.
  Lease(Api& api, const Place& place);
  ~Lease();  // given back, when the cluster can be reached
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  // Renews it when that is due: called at least every few seconds. Throws Error(denied) when another took it,
  // which happens when we could not renew it in time.
  void check();
  // Who holds it now; "" when nobody does, or its owner is known to be gone.
  static std::string holder(Api& api, const Place& place);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::kubernetes
