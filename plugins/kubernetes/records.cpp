#include "plugins/kubernetes/records.h"

#include <algorithm>

#include "sys/base64.h"
#include "sys/zstd.h"

namespace slipway::kubernetes {

namespace {

constexpr std::size_t kMaxRecord = 64u << 20;
constexpr const char* kRole = "slipway.dev/record";

json unwrapped(const json& config_map) {
  const auto data = config_map.value("/binaryData/record"_json_pointer, "");
  const auto packed = base64_decode(data);
  const auto text = packed ? zstd_decompress(*packed, kMaxRecord) : std::nullopt;
  auto out = text ? json::parse(*text, nullptr, false) : json();
  if (!out.is_object())
    throw Error(ExitCode::unavailable, fmt::format("the record `{}` in the cluster is damaged",
                                                   config_map.value("/metadata/name"_json_pointer, "")))
        .hint("delete this ConfigMap: the next rollout takes the objects over by their labels");
  return out;
}

int number_of(const std::string& id) {
  return id.size() > 1 ? std::atoi(id.c_str() + 1) : 0;
}

}  // namespace

const ServiceObjects* Release::find(const std::string& service) const {
  for (const auto& one : services)
    if (one.name == service) return &one;
  return nullptr;
}

std::vector<json> objects_of(const ServiceObjects& service) {
  auto out = service.config;
  out.push_back(service.workload);
  out.insert(out.end(), service.traffic.begin(), service.traffic.end());
  out.insert(out.end(), service.after.begin(), service.after.end());
  return out;
}

std::set<ObjectKey> keys_of(const std::vector<ServiceObjects>& services) {
  std::set<ObjectKey> out;
  for (const auto& service : services)
    for (const auto& object : objects_of(service)) out.insert(key_of(object));
  return out;
}

std::string Records::path(const std::string& name) const {
  return "/api/v1/namespaces/" + url_encoded(place_.name_space) + "/configmaps" +
         (name.empty() ? "" : "/" + name);
}

json Records::wrapped(const std::string& name, const json& content, const char* role) const {
  auto labels = place_.labels();
  labels[kRole] = role;
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", name}, {"namespace", place_.name_space}, {"labels", labels}}},
          {"binaryData", {{"record", base64_encode(zstd_compress(content.dump()))}}}};
}

State Records::load() {
  State out;
  const auto found = api_.find(path(place_.name()));
  if (!found) return out;
  const auto from = unwrapped(*found);
  out.version = found->value("/metadata/resourceVersion"_json_pointer, "");
  out.release = from.value("release", "");
  out.rollout = from.value("rollout", "");
  out.phase = from.value("phase", "");
  out.last = from.value("last", 0);
  for (const auto& one : from.value("objects", json::array()))
    out.objects[{one.at(0).get<std::string>(), one.at(1).get<std::string>(), one.at(2).get<std::string>(),
                 one.at(3).get<std::string>()}] = {one.at(4).get<std::string>(),
                                                   one.at(5).get<std::string>()};
  return out;
}

void Records::save(State& state) {
  json objects = json::array();
  for (const auto& [key, written] : state.objects)
    objects.push_back({key.api_version, key.kind, key.name_space, key.name, written.hash, written.seen});
  auto record = wrapped(place_.name(),
                        {{"release", state.release},
                         {"rollout", state.rollout},
                         {"phase", state.phase},
                         {"last", state.last},
                         {"objects", std::move(objects)}},
                        "state");
  Request request;
  request.method = state.version.empty() ? "POST" : "PUT";
  request.path = state.version.empty() ? path() : path(place_.name());
  if (!state.version.empty()) record["metadata"]["resourceVersion"] = state.version;
  request.body = std::move(record);
  state.version = api_.call(std::move(request)).value("/metadata/resourceVersion"_json_pointer, "");
}

std::optional<Release> Records::release(const std::string& id) {
  const auto found = api_.find(path(place_.name() + "-" + id));
  if (!found) return std::nullopt;
  return unwrapped(*found).get<Release>();
}

void Records::save(const Release& release) {
  auto copy = release;
  for (auto& service : copy.services)
    for (auto& object : service.config)
      if (object.value("kind", "") == "Secret") object["data"] = nullptr;
  const auto name = place_.name() + "-" + release.id;
  Request request;
  request.method = "PATCH";
  request.content_type = "application/apply-patch+yaml";
  request.path = path(name);
  request.query = {{"fieldManager", "slipway"}, {"force", "true"}};
  request.body = wrapped(name, json(copy), "release");
  api_.call(std::move(request));
}

void Records::forget(const std::string& id) {
  Request request;
  request.method = "DELETE";
  request.path = path(place_.name() + "-" + id);
  try {
    api_.call(std::move(request));
  } catch (const ApiError& e) {
    if (e.status != 404) throw;
  }
}

std::vector<Release> Records::releases() {
  Request request;
  request.path = path();
  request.query["labelSelector"] = place_.selector() + "," + kRole + "=release";
  std::vector<Release> out;
  const auto list = api_.call(std::move(request));
  for (const auto& item : list.value("items", json::array())) out.push_back(unwrapped(item).get<Release>());
  std::sort(out.begin(), out.end(),
            [](const Release& a, const Release& b) { return number_of(a.id) < number_of(b.id); });
  return out;
}

void Records::remove_all() {
  for (const auto& release : releases()) forget(release.id);
  Request request;
  request.method = "DELETE";
  request.path = path(place_.name());
  try {
    api_.call(std::move(request));
  } catch (const ApiError& e) {
    if (e.status != 404) throw;
  }
}

}  // namespace slipway::kubernetes
