// A new version beside the one that serves: a growing share of the requests, watched and analysed at each
// step, until it takes over.
#pragma once
#include "plugins/kubernetes/hold.h"
#include "plugins/kubernetes/share.h"

namespace slipway::kubernetes {

class Canary {
 public:
  // `next`: what comes; `before`: what serves.
  Canary(Holding& holding, const ServiceObjects& next, const ServiceObjects& before, fs::path project_dir);
  // Brings the canary through its steps. Throws Unhealthy.
  void run();
  // After the new version took over.
  void remove();

 private:
  void take(const Share& share, int weight, const std::string& title);
  int replicas() const;

  Holding& holding_;
  const ServiceObjects& next_;
  const ServiceObjects& before_;
  const fs::path project_dir_;
  ServiceObjects canary_;  // its workload only
  bool by_routes_;
};

// The objects that exist only while a canary is on its way: they may be removed at once when the version that
// serves has all its replicas.
std::vector<ObjectKey> canary_keys(const ServiceObjects& next);

}  // namespace slipway::kubernetes
