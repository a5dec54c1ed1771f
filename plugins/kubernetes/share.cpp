#include "plugins/kubernetes/share.h"

#include <cmath>

#include "plugins/kubernetes/color.h"

namespace slipway::kubernetes {

namespace {

constexpr const char *kNginx = "nginx.ingress.kubernetes.io/canary",
                     *kNginxWeight = "nginx.ingress.kubernetes.io/canary-weight";
const json::json_pointer kPodLabels("/spec/template/metadata/labels"), kMatch("/spec/selector/matchLabels");

const json* service_of(const ServiceObjects& service) {
  const auto labels = service.workload.value(kPodLabels, json::object());
  for (const auto& object : service.config)
    if (object.value("kind", "") == "Service" &&
        selects(object.value("/spec/selector"_json_pointer, json()), labels))
      return &object;
  return nullptr;
}

// Backends of one Service, wherever they stand below an Ingress.
void point_to(json& node, const std::string& from, const std::string& to) {
  if (node.is_object()) {
    if (node.contains("service") && node["service"].is_object() && node["service"].value("name", "") == from)
      node["service"]["name"] = to;
    for (auto& [_, value] : node.items()) point_to(value, from, to);
  } else if (node.is_array()) {
    for (auto& value : node) point_to(value, from, to);
  }
}

// True when a backend of the route is the Service: its requests are then shared.
bool weigh(json& route, const std::string& from, const std::string& to, int weight) {
  bool found = false;
  for (auto& rule : route["spec"]["rules"]) {
    json refs = json::array();
    for (auto& ref : rule.value("backendRefs", json::array())) {
      if (ref.value("name", "") != from) {
        refs.push_back(ref);
        continue;
      }
      auto canary = ref;
      canary["name"] = to;
      canary["weight"] = weight;
      ref["weight"] = 100 - weight;
      refs.push_back(ref);
      refs.push_back(canary);
      found = true;
    }
    rule["backendRefs"] = refs;
  }
  return found;
}

}  // namespace

Share share_of(int replicas, int weight) {
  if (weight >= 100) return {0, replicas};
  const double part = weight / 100.0;
  if (part <= 0.5)
    return {replicas, std::max(1, static_cast<int>(std::lround(replicas * part / (1 - part))))};
  return {std::max(1, static_cast<int>(std::lround(replicas * (1 - part) / part))), replicas};
}

json canary_of(const json& workload, bool apart) {
  auto out = workload;
  const auto name = key_of(workload).name + "-canary";
  out["metadata"]["name"] = name;
  for (const auto* at : {&kPodLabels, &kMatch}) {
    out[*at]["slipway.dev/track"] = "canary";
    if (apart) out[*at]["app.kubernetes.io/name"] = name;
  }
  return out;
}

std::vector<json> routes_to(const ServiceObjects& service, const json& canary, int weight) {
  const auto* stable = service_of(service);
  std::vector<json> out;
  if (stable) {
    const auto from = key_of(*stable).name, to = key_of(canary).name;
    auto own = *stable;
    own["metadata"]["name"] = to;
    own["spec"]["selector"] = canary.value(kMatch, json::object());
    own["spec"].erase("clusterIP");
    out.push_back(std::move(own));
    std::vector<json> all = service.after;
    all.insert(all.end(), service.config.begin(), service.config.end());
    for (auto& object : all) {
      const auto kind = object.value("kind", "");
      if (kind == "Ingress") {
        auto way = object;
        way["metadata"]["name"] = key_of(object).name + "-canary";
        way["metadata"]["annotations"][kNginx] = "true";
        way["metadata"]["annotations"][kNginxWeight] = std::to_string(weight);
        point_to(way["spec"], from, to);
        out.push_back(std::move(way));
      } else if (kind == "HTTPRoute" && weigh(object, from, to, weight)) {
        out.push_back(std::move(object));
      }
    }
  }
  if (out.size() < 2)
    throw Error(ExitCode::usage,
                fmt::format("requests of `{}` cannot be shared by weight: it has no Ingress and no HTTPRoute",
                            service.name))
        .hint("give it an `ingress`, or take `traffic` out: then the number of pods decides");
  return out;
}

}  // namespace slipway::kubernetes
