#include "plugins/kubernetes/around.h"

namespace slipway::kubernetes {

json metadata_of(const Place& place, const std::string& service, const std::string& name) {
  auto labels = place.labels();
  labels["app.kubernetes.io/name"] = service;
  return {{"name", name}, {"namespace", place.name_space}, {"labels", labels}};
}

json selector_of(const Place& place, const std::string& service) {
  return {{"app.kubernetes.io/name", service},
          {"app.kubernetes.io/part-of", place.project},
          {"slipway.dev/environment", place.environment}};
}

json autoscaler(const Place& place, const std::string& service, const json& scale, const json& workload) {
  json metrics = json::array();
  for (const char* resource : {"cpu", "memory"})
    if (scale.contains(resource))
      metrics.push_back({{"type", "Resource"},
                         {"resource",
                          {{"name", resource},
                           {"target", {{"type", "Utilization"}, {"averageUtilization", scale[resource]}}}}}});
  return {{"apiVersion", "autoscaling/v2"},
          {"kind", "HorizontalPodAutoscaler"},
          {"metadata", metadata_of(place, service, service)},
          {"spec",
           {{"scaleTargetRef",
             {{"apiVersion", workload.at("apiVersion")},
              {"kind", workload.at("kind")},
              {"name", workload.at("metadata").at("name")}}},
            {"minReplicas", scale.at("min")},
            {"maxReplicas", scale.at("max")},
            {"metrics", metrics}}}};
}

json disruption_budget(const Place& place, const std::string& service) {
  return {{"apiVersion", "policy/v1"},
          {"kind", "PodDisruptionBudget"},
          {"metadata", metadata_of(place, service, service)},
          {"spec", {{"maxUnavailable", 1}, {"selector", {{"matchLabels", selector_of(place, service)}}}}}};
}

std::vector<json> service_account(const Place& place, const std::string& service, const json& account) {
  if (account.contains("name")) return {};
  auto metadata = metadata_of(place, service, service);
  if (account.contains("annotations")) metadata["annotations"] = account["annotations"];
  return {{{"apiVersion", "v1"},
           {"kind", "ServiceAccount"},
           {"metadata", std::move(metadata)},
           {"automountServiceAccountToken", false}}};  // its pods say for themselves
}

json network_policy(const Place& place, const std::string& service,
                    const std::vector<std::string>& dependents, int open_port) {
  json from = json::array();
  if (!dependents.empty())
    from.push_back({{"from",
                     {{{"podSelector",
                        {{"matchLabels",
                          {{"app.kubernetes.io/part-of", place.project},
                           {"slipway.dev/environment", place.environment}}},
                         {"matchExpressions",
                          {{{"key", kServiceLabel}, {"operator", "In"}, {"values", dependents}}}}}}}}}});
  if (open_port > 0) from.push_back({{"ports", {{{"port", open_port}, {"protocol", "TCP"}}}}});
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "NetworkPolicy"},
          {"metadata", metadata_of(place, service, service)},
          {"spec",
           {{"podSelector", {{"matchLabels", selector_of(place, service)}}},
            {"policyTypes", {"Ingress"}},
            {"ingress", from}}}};
}

}  // namespace slipway::kubernetes
