// What slipway remembers in the swarm, in configs: what serves and who is at work (labels of one config, so
// that a change of them is refused when somebody else was faster), and each release that is kept. No secret
// value is in them.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "oci/engine_api.h"
#include "plugins/swarm/generate.h"

namespace slipway::swarm {

using oci::EngineApi;
using oci::EngineError;

struct State {
  std::string release;                      // the last that served as a whole; "": none yet
  std::string rollout;                      // the one on its way, or that was when slipway was killed
  int last = 0;                             // number of the newest release
  std::string data_node;                    // the node that holds named volumes
  std::map<std::string, std::string> seen;  // service → hash of what the swarm made of its specification
  std::string owner;                        // who has the lock: "HOST/PID/START"
  std::int64_t until = 0;                   // microseconds since the epoch
};

struct Release {
  std::string id, state;  // "rolling" "good" "failed"
  std::string previous, rollback_of;
  std::int64_t created = 0;  // microseconds since the epoch
  std::vector<ServiceSpec> services;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Release, id, state, previous, rollback_of, created, services)
  const ServiceSpec* find(const std::string& service) const;
};

class Records {
 public:
  Records(EngineApi& api, const Place& place) : api_(api), place_(place) {}
  // The same, through another connection.
  Records(EngineApi& api, const Records& from)
      : state(from.state), api_(api), place_(from.place_), id_(from.id_), version_(from.version_) {}
  // Throws Error(denied) when a config of the name is there that is not ours.
  void load();
  // False when somebody else was faster; then load() again.
  bool try_save();
  // By the one who has the lock. Throws Error(denied) when another took it.
  void save();
  bool is_saving() const { return saving_; }
  State state;

  void save(const Release& release);  // a new one, or another state of one
  void forget(const std::string& id);
  std::vector<Release> releases();  // all that are kept, the oldest first
  void remove_all();

 private:
  json body(const std::string& name, const char* role, const std::string& content) const;
  bool write();
  std::string state_name() const;

  EngineApi& api_;
  const Place& place_;
  std::string other_;  // who has the lock, when it is not us
  std::string id_;     // of the config with the state; "": there is none
  std::int64_t version_ = 0;
  bool saving_ = false;
};

}  // namespace slipway::swarm
