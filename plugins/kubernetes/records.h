// What slipway remembers in the cluster, in ConfigMaps of the namespace: what serves (NAME) and each release
// that is kept (NAME-r7). No secret value is in them: Secrets are objects of their own, named by content.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/kubernetes/generate.h"
#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

// An object that slipway wrote: of which content, and what the cluster made of it.
struct Written {
  std::string hash;  // of the manifest; "": being written
  std::string seen;  // metadata.generation, or resourceVersion where there is none
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Written, hash, seen)
};

struct State {
  std::string release;  // the last that served as a whole; "": none yet
  std::string rollout;  // the one on its way, or that was when slipway was killed
  std::string phase;    // where that one stands: "canary of `web`: step 1 of 2, 25%"; "" when it just goes on
  int last = 0;         // number of the newest release
  std::map<ObjectKey, Written> objects;
  std::string version;  // resourceVersion of the record; "": there is none
};

struct Release {
  std::string id, state;  // "rolling" "good" "failed"
  std::string previous, rollback_of;
  std::int64_t created = 0;  // microseconds since the epoch
  std::int64_t live = 0;     // since when it is good; 0: it is not
  std::vector<ServiceObjects> services;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Release, id, state, previous, rollback_of, created, live,
                                              services)
  const ServiceObjects* find(const std::string& service) const;
};

// All that is written for a service, but its Jobs.
std::vector<json> objects_of(const ServiceObjects& service);
std::set<ObjectKey> keys_of(const std::vector<ServiceObjects>& services);

class Records {
 public:
  Records(Api& api, const Place& place) : api_(api), place_(place) {}
  State load();
  // Throws ApiError (409) when somebody else changed it since it was loaded.
  void save(State& state);
  std::optional<Release> release(const std::string& id);
  void save(const Release& release);  // without the data of Secrets
  void forget(const std::string& id);
  std::vector<Release> releases();  // all that are kept, the oldest first
  void remove_all();

 private:
  std::string path(const std::string& name = {}) const;
  json wrapped(const std::string& name, const json& content, const char* role) const;

  Api& api_;
  const Place& place_;
};

}  // namespace slipway::kubernetes
