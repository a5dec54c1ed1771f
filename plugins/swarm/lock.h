// One rollout of a place at a time: an owner and an end in the record of the state, renewed while we live.
#pragma once
#include <memory>

#include "plugins/swarm/records.h"

namespace slipway::swarm {

class Lock {
 public:
  // Loads the records. Throws Error(denied) naming the owner when another holds it. Renewed from
  // EngineApi::poll.
  Lock(EngineApi& api, const Place& place, Records& records);
  ~Lock();  // given back, when the swarm can be reached
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  // Throws Error(denied) when another took it, which happens when we could not renew it in time.
  void check() const;
  void move_to(EngineApi& api, Records& records);  // renewed from there from now on; they outlive us
  void gone();                                     // the record was removed: there is nothing to give back

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::swarm
