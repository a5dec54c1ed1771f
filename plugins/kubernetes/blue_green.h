// Two full sets of a service: the new one is checked while nobody is sent to it, then the Service is
// switched, and the old one is kept for a time.
#pragma once
#include "plugins/kubernetes/hold.h"

namespace slipway::kubernetes {

class BlueGreen {
 public:
  // `next` has its colour; `before`: what serves, with another colour or none.
  BlueGreen(Holding& holding, const ServiceObjects& next, const ServiceObjects& before, fs::path project_dir);
  void run();
  // The Services as before, and the new pods gone: at once, and whatever state run() has come to.
  static void switch_back(Cluster& cluster, const ServiceObjects& next, const ServiceObjects& before);

 private:
  json preview() const;  // a Service for the new pods alone; null: not wanted
  void check();

  Holding& holding_;
  const ServiceObjects& next_;
  const ServiceObjects& before_;
  const fs::path project_dir_;
};

}  // namespace slipway::kubernetes
