#include "plugins/kubernetes/color.h"

namespace slipway::kubernetes {

namespace {

const json::json_pointer kPodLabels("/spec/template/metadata/labels"), kMatch("/spec/selector/matchLabels"),
    kSelector("/spec/selector"), kTemplate("/spec/template");

// An autoscaler follows its workload.
void retarget(std::vector<json>& objects, const std::string& from, const std::string& to) {
  const auto name = "/spec/scaleTargetRef/name"_json_pointer;
  for (auto& object : objects)
    if (object.value("kind", "") == "HorizontalPodAutoscaler" && object.contains(name) &&
        object.at(name) == from)
      object[name] = to;
}

}  // namespace

bool selects(const json& selector, const json& labels) {
  if (!selector.is_object() || selector.empty() || !labels.is_object()) return false;
  for (const auto& [key, value] : selector.items())
    if (!labels.contains(key) || labels.at(key) != value) return false;
  return true;
}

ServiceObjects unpainted(ServiceObjects service) {
  if (service.color.empty()) return service;
  const auto name = key_of(service.workload).name;
  const auto plain = name.substr(0, name.size() - service.color.size() - 1);
  service.workload["metadata"]["name"] = plain;
  service.workload[kPodLabels].erase(kColorLabel);
  service.workload[kMatch].erase(kColorLabel);
  for (auto& object : service.traffic) {
    object[kSelector].erase(kColorLabel);
    service.config.push_back(std::move(object));
  }
  service.traffic.clear();
  retarget(service.after, name, plain);
  service.color.clear();
  return service;
}

ServiceObjects painted(ServiceObjects service, const std::string& color) {
  service = unpainted(std::move(service));
  const auto plain = key_of(service.workload).name, name = plain + "-" + color;
  const auto labels = service.workload.value(kPodLabels, json::object());
  std::vector<json> config;
  for (auto& object : service.config) {
    if (object.value("kind", "") == "Service" && selects(object.value(kSelector, json::object()), labels)) {
      object[kSelector][kColorLabel] = color;
      service.traffic.push_back(std::move(object));
    } else {
      config.push_back(std::move(object));
    }
  }
  service.config = std::move(config);
  service.workload["metadata"]["name"] = name;
  service.workload[kPodLabels][kColorLabel] = color;
  service.workload[kMatch][kColorLabel] = color;
  retarget(service.after, plain, name);
  service.color = color;
  return service;
}

ServiceObjects with_color(const ServiceObjects& service, const ServiceObjects* before) {
  if (!service.strategy.is_object() || !service.strategy.contains("blue_green")) return unpainted(service);
  if (!before || before->color.empty()) return painted(service, "blue");
  auto same = painted(service, before->color);
  if (same.workload.value(kTemplate, json()) == before->workload.value(kTemplate, json())) return same;
  return painted(service, before->color == "blue" ? "green" : "blue");
}

}  // namespace slipway::kubernetes
