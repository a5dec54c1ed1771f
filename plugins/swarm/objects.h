// The objects of a swarm: found, made, changed and removed, never those of others.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "oci/engine_api.h"
#include "oci/registry_client.h"
#include "plugins/swarm/generate.h"

namespace slipway::swarm {

using oci::EngineApi;
using oci::EngineError;

// A write that may have been done although it was refused: the answer was lost, the swarm was busy, or
// somebody else was faster. Its caller looks.
bool may_be_written(const EngineError& error);
// Nothing when it is not there.
void remove_object(EngineApi& api, const std::string& path);

// What a service needs is there by name; the swarm wants numbers.
class Objects {
 public:
  // `registry`: a login as docker's config.json or "user:password"; empty: the user's own files.
  Objects(EngineApi& api, const Place& place, std::string registry)
      : api_(api), place_(place), registry_(std::move(registry)) {}

  void look();  // at everything that is there now
  const std::map<std::string, json>& services() const { return services_; }  // ours, by full name
  // Throws Error(denied) when a service or network of the name is there that is not ours, or holds the port.
  void check_ours(const std::vector<ServiceSpec>& services) const;

  // Those of `uses` that are not there; contents as they were generated. Throws Error(denied) for one whose
  // content is not known any more.
  void make(const Uses& uses, const Contents& contents);
  // The service as it is after that; with its specification when it had to be written.
  json write(const json& spec);
  // Tasks of our services, by service's full name.
  std::map<std::string, std::vector<json>> tasks() const;
  void remove_service(const std::string& full_name);
  // Removes what is ours and not in `used`; what is still in use stays for the next time. With `wait` it
  // waits for containers that still end.
  void collect(const Uses& used, bool wait);
  // Active nodes that are up.
  int nodes() const;

 private:
  json resolved(json spec) const;
  json make_network(const std::string& name);
  json create(const char* kind, const std::string& name, json body);

  EngineApi& api_;
  const Place& place_;
  std::string registry_;
  std::map<std::string, json> services_, foreign_;
  std::map<std::string, json> networks_, secrets_, configs_;  // by name, ours
};

}  // namespace slipway::swarm
