// From a service of the params to the specification that a swarm runs.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "oci/store.h"
#include "plugin/plugin.h"
#include "plugins/swarm/place.h"

namespace slipway::swarm {

struct ServiceSpec {
  std::string name;
  json spec;           // of POST /services/create, with networks, secrets and configs by name
  json before, after;  // of a command, once in each release that changes the service; null: none
  std::int64_t before_ms = 0, after_ms = 0;       // how long each may take
  std::map<std::string, std::string> depends_on;  // name → "healthy" or "started"
  bool checked = false;                           // its containers have a healthcheck
  // Changes when its containers have to be replaced or its settings change; holds names of secrets, not
  // values.
  std::string declared;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(ServiceSpec, name, spec, before, after, before_ms, after_ms,
                                              depends_on, checked, declared)
  std::string full_name() const { return spec.value("Name", ""); }
  std::string spec_hash() const;
  std::string task_hash() const;
  int replicas() const;
  std::string image() const;
};

// What services need beside themselves, by name; immutable, so that a changed content is another object.
struct Contents {
  std::map<std::string, std::string> secrets, configs;  // name → content
};

enum class Secrets {
  given,    // their values come with the invocation
  unknown,  // a look ahead: names stand for their values, only `declared` means something
};

// In the order of the params. `data_node`: the node that holds named volumes; "": any. Throws Error(usage)
// naming the service and what is wrong with it.
std::vector<ServiceSpec> generate(const Invocation& invocation, const Place& place, const Settings& settings,
                                  const oci::Store& store, Secrets secrets, const std::string& data_node,
                                  Contents& contents);

std::string network_name(const Place& place, bool encrypted);

// Names that a specification refers to.
struct Uses {
  std::set<std::string> networks, secrets, configs;
};
void add_uses(const json& spec, Uses& uses);
void add_uses(const ServiceSpec& service, Uses& uses);

}  // namespace slipway::swarm
