// From a service of the params to the objects that run it.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "oci/store.h"
#include "plugin/plugin.h"

namespace slipway::kubernetes {

struct Place {
  std::string project, environment, name_space;
  std::string name() const { return "slipway-" + project + "-" + environment; }  // of our own records
  std::string title() const { return project + " " + environment; }
  // What every object of this place bears: app.kubernetes.io/managed-by and the like.
  json labels() const;
  std::string selector() const;  // a labelSelector that means all of them
};

// On every pod: of which service it is, and of which part of it when it is not the service itself ("before",
// another workload of own manifests).
inline constexpr const char* kServiceLabel = "slipway.dev/service";
inline constexpr const char* kPartLabel = "slipway.dev/part";
// "web", or "web.worker" of a part.
std::string service_of(const json& pod);

struct ServiceObjects {
  std::string name;           // of the service, or "web.worker": another workload of its manifests
  std::vector<json> config;   // all but workloads, `traffic` and `after`: before any workload
  json workload;              // a Deployment or StatefulSet
  std::vector<json> traffic;  // Services that are switched to it when it is healthy (blue-green)
  std::vector<json> after;    // PodDisruptionBudget, Ingress, autoscaler: when it serves
  json before_job,
      after_job;  // once in each release that changes the workload; null: none. Their names are prefixes
  std::map<std::string, std::string> depends_on;  // name → "healthy" or "started"
  std::int64_t ready_within_ms =
      0;  // a started container that is not ready after so long has failed its probe
  // Changes when its pods have to be replaced or its settings change; holds names of secrets, not values.
  std::string declared;
  std::string url;    // from outside; "": none
  bool own = false;   // the user's manifests: written as they are
  json strategy;      // of the params: {"canary": {…}}; null: rolling
  std::string color;  // of the workload, "blue" or "green"; "": it has none
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(ServiceObjects, name, config, workload, traffic, after,
                                              before_job, after_job, depends_on, ready_within_ms, declared,
                                              url, own, strategy, color)
};

enum class Secrets {
  given,    // their values come with the invocation
  unknown,  // a look ahead: objects have placeholders, only `declared` means something
};

// In the order of the params, each service before its parts. Throws Error(usage) naming the service and what
// is wrong with it.
std::vector<ServiceObjects> generate(const Invocation& invocation, const Place& place,
                                     const oci::Store& store, Secrets secrets);

// Where an object holds the template of its pods, or is a pod itself; nullopt: nowhere.
std::optional<json::json_pointer> pod_of(const json& object);

// The images of a workload, by container.
std::map<std::string, std::string> images_of(const json& workload);

}  // namespace slipway::kubernetes
