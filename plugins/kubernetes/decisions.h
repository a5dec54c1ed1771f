// What a person says to a rollout on its way: `slipway promote` and `slipway abort` leave it in a ConfigMap,
// the rollout reads it while it holds.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "plugins/kubernetes/generate.h"
#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

struct Decision {
  std::string rollout;  // "r7": of no other one
  std::string word;     // "promote" "abort"
  std::string by, why;
  bool all = false;  // every hold that is still to come too
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Decision, rollout, word, by, why, all)
};

class Decisions {
 public:
  Decisions(Api& api, const Place& place) : api_(api), place_(place) {}
  void leave(const Decision& decision);
  // Taken away when it is there; the cluster is asked once a second at most. A decision on another rollout is
  // too late and goes unheard.
  std::optional<Decision> take(const std::string& rollout);

 private:
  std::string path() const;
  Api& api_;
  const Place& place_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace slipway::kubernetes
