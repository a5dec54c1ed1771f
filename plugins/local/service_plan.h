// A service as the local target runs it: the params of `apply` with the image's own settings filled in.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/store.h"
#include "plugin/plugin.h"

namespace slipway::local {

using nlohmann::json;

struct ServicePlan {
  std::string name;
  json image;                          // descriptor
  std::vector<std::string> args, env;  // env: "K=V", secrets among them
  std::string cwd, user, stop_signal;
  std::map<std::string, std::string> volumes;  // target → name
  std::map<std::string, std::string> files;    // target → content
  std::vector<std::string> tmpfs;
  std::vector<int> ports;  // that answer under its name; the first is the one that is published
  bool http = false;       // requests are balanced, not connections
  json healthcheck;        // as in the params; null: none
  std::int64_t stop_grace_ms = 10'000;
  int replicas = 1, publish = 0;  // publish 0: not
  bool stateful = false;
  std::map<std::string, std::string> depends_on;  // name → "healthy" or "started"
  // Changes when a replica has to be replaced: the image or anything that a replica sees. How many there are,
  // where they are published and how they are asked for their health is not in it.
  std::string definition;
  std::string declared;  // the same with the names of secrets in place of their values
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(ServicePlan, name, image, args, env, cwd, user, stop_signal,
                                              volumes, files, tmpfs, ports, http, healthcheck, stop_grace_ms,
                                              replicas, publish, stateful, depends_on, definition, declared)
};

enum class Secrets {
  given,    // their values come with the invocation
  unknown,  // a look ahead: only `declared` means something
};

// In an order in which every service comes after those it depends on. Throws Error(usage) naming the service
// and what is wrong with it.
std::vector<ServicePlan> plan_services(const Invocation& invocation, const oci::Store& store,
                                       Secrets secrets = Secrets::given);

// Services that may be updated at the same time, those others wait for first. Within a level those come first
// that others want started, not healthy.
std::vector<std::vector<const ServicePlan*>> levels_of(const std::vector<ServicePlan>& plans);

}  // namespace slipway::local
