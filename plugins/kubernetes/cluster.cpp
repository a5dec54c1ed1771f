#include "plugins/kubernetes/cluster.h"

#include "plugins/kubernetes/inventory.h"

namespace slipway::kubernetes {

namespace {

constexpr Millis kTick{250};

bool is_going(const json& object) {
  return object.contains("/metadata/deletionTimestamp"_json_pointer);
}

// Kind and name of what a HorizontalPodAutoscaler decides the replicas of.
std::pair<std::string, std::string> scaled_by(const json& autoscaler) {
  const auto target = autoscaler.value("/spec/scaleTargetRef"_json_pointer, json::object());
  return {target.value("kind", ""), target.value("name", "")};
}

}  // namespace

bool is_immutable_config(const ObjectKey& key) {
  return key.kind == "Secret" || key.kind == "ConfigMap";
}

bool is_kept(const ObjectKey& key) {
  return is_immutable_config(key) || key.is_cluster_wide();
}

bool is_bare_secret(const json& manifest) {
  return manifest.value("kind", "") == "Secret" && manifest.contains("data") && manifest["data"].is_null();
}

Cluster::Cluster(Api& api, const Place& place, const Settings& settings, Context& context)
    : api_(api),
      place_(place),
      settings_(settings),
      context_(context),
      kinds_(api),
      writer_(api, kinds_, place, settings.take_over),
      records_(api, place),
      state_(records_.load()) {}

Cluster::Cluster(Api& api, const Cluster& other)
    : api_(api),
      place_(other.place_),
      settings_(other.settings_),
      context_(other.context_),
      kinds_(api),
      writer_(api, kinds_, place_, settings_.take_over),
      records_(api, place_),
      state_(other.state_),
      live_(other.live_),
      first_replicas_(other.first_replicas_) {}

void Cluster::set_phase(const std::string& phase) {
  if (state_.phase == phase) return;
  state_.phase = phase;
  save_state();
}

std::string Cluster::collection(const char* api_version, const char* kind) {
  return kinds_.collection(kinds_.find(api_version, kind), place_.name_space);
}

// Those of others; slipway's own come and go with the release.
std::set<std::pair<std::string, std::string>> Cluster::autoscaled() {
  Request request;
  request.path = fmt::format("/apis/autoscaling/v1/namespaces/{}/horizontalpodautoscalers",
                             url_encoded(place_.name_space));
  std::set<std::pair<std::string, std::string>> out;
  const auto list = api_.call(std::move(request));
  const auto ours = place_.labels();
  for (const auto& item : list.value("items", json::array()))
    if (!is_part_of(ours, item.value("/metadata/labels"_json_pointer, json::object())))
      out.insert(scaled_by(item));
  return out;
}

void Cluster::fit(std::vector<ServiceObjects>& services) {
  for (const auto& service : services)
    for (const auto& object : service.config) kinds_.learn(object);
  for (auto& service : services) {
    for (auto* list : {&service.config, &service.traffic, &service.after})
      for (auto& object : *list) object = writer_.fit(std::move(object));
    if (!service.own) writer_.fit_sleep(service.workload);
  }
}

void Cluster::leave_replicas(std::vector<ServiceObjects>& services) {
  auto scaled = autoscaled();
  for (const auto& service : services)
    for (const auto* list : {&service.config, &service.after})
      for (const auto& object : *list)
        if (object.value("kind", "") == "HorizontalPodAutoscaler") scaled.insert(scaled_by(object));
  for (auto& service : services) {
    const auto key = key_of(service.workload);
    if (!scaled.contains({key.kind, key.name})) continue;
    first_replicas_[key] = service.workload.value("/spec/replicas"_json_pointer, 1);
    service.workload["spec"].erase("replicas");
  }
  // What was written in another version of its kind is the same object.
  const auto wanted = keys_of(services);
  std::map<ObjectKey, Written> objects;
  for (const auto& [key, written] : state_.objects) {
    auto now = kinds_.served(key);
    if (!now) continue;  // the kind is gone, and the object with it
    for (const auto& one : wanted)
      if (one.kind == key.kind && one.name == key.name && one.name_space == key.name_space &&
          one.group() == key.group())
        now = one;
    objects[*now] = written;
  }
  state_.objects = std::move(objects);
}

void Cluster::refresh(const std::vector<ServiceObjects>& services) {
  auto keys = keys_of(services);
  for (const auto& [key, _] : state_.objects) keys.insert(key);
  live_ = live_objects(api_, kinds_, place_, keys);
}

bool Cluster::is_written(const json& manifest) const {
  const auto key = key_of(manifest);
  const auto now = live_.find(key);
  if (now == live_.end() || is_going(now->second)) return false;
  if (is_bare_secret(manifest)) return true;
  const auto written = state_.objects.find(key);
  // A later generation may be an autoscaler's, or of a field that is not ours.
  return written != state_.objects.end() && written->second.hash == hash_of(manifest) &&
         (written->second.seen == seen_of(now->second) || is_part_of(manifest, now->second));
}

// What is on its way out takes changes, and goes nevertheless.
void Cluster::wait_for_those_that_go(const std::vector<json>& manifests) {
  std::vector<ObjectKey> going;
  for (const auto& manifest : manifests) {
    const auto now = live_.find(key_of(manifest));
    if (now == live_.end() || !is_going(now->second)) continue;
    going.push_back(now->first);
    live_.erase(now);
  }
  if (going.empty()) return;
  progress(fmt::format("waits for {} to be gone", going.front().str()));
  writer_.remove(going, true);
}

// To leave out a number that was ours would set it to one: an autoscaler's number is confirmed instead, and
// one to begin with is given.
json Cluster::as_sent(json manifest) const {
  const auto replicas = "/spec/replicas"_json_pointer;
  const auto now = live_.find(key_of(manifest));
  if (manifest.contains("/spec/template"_json_pointer) && !manifest.contains(replicas) &&
      now != live_.end() && now->second.contains(replicas))
    manifest[replicas] = now->second.at(replicas);
  if (const auto first = first_replicas_.find(key_of(manifest));
      first != first_replicas_.end() && now == live_.end())
    manifest[replicas] = first->second;
  return manifest;
}

std::vector<json> Cluster::unwritten(const std::vector<json>& manifests) const {
  std::vector<json> out;
  for (const auto& manifest : manifests)
    if (!is_written(manifest) && !is_bare_secret(manifest)) out.push_back(manifest);
  return out;
}

void Cluster::rehearse(const std::vector<ServiceObjects>& services) {
  std::vector<json> todo;
  for (const auto& service : services)
    for (auto& manifest : unwritten(objects_of(service))) todo.push_back(as_sent(std::move(manifest)));
  writer_.rehearse(todo);
}

void Cluster::write(const std::vector<json>& manifests) {
  const auto todo = unwritten(manifests);
  if (todo.empty()) return;
  wait_for_those_that_go(todo);
  std::vector<json> sent;
  for (const auto& manifest : todo) sent.push_back(as_sent(manifest));
  const auto objects = writer_.apply(sent);
  for (std::size_t i = 0; i < todo.size(); ++i) {
    const auto key = key_of(todo[i]);
    state_.objects[key] = {hash_of(todo[i]), seen_of(objects[i])};
    live_[key] = objects[i];
  }
}

void Cluster::claim(const std::vector<ObjectKey>& keys) {
  std::vector<ObjectKey> fresh;
  for (const auto& key : keys)
    if (!state_.objects.contains(key)) fresh.push_back(key);
  if (fresh.empty()) return;
  writer_.check_ours(fresh);
  for (const auto& key : fresh) state_.objects[key] = {};
  save_state();
}

void Cluster::remove(const std::vector<ObjectKey>& keys, bool wait) {
  writer_.remove(keys, wait);
  for (const auto& key : keys) {
    state_.objects.erase(key);
    live_.erase(key);
  }
}

void Cluster::watch() {
  if (pods_) return;
  const std::map<std::string, std::string> ours = {{"labelSelector", place_.selector()}};
  // What controllers make has the labels of the pod template only.
  const std::map<std::string, std::string> made = {
      {"labelSelector", fmt::format("app.kubernetes.io/part-of={},slipway.dev/environment={}", place_.project,
                                    place_.environment)}};
  const auto changed = [flag = news_] { *flag = true; };
  deployments_.emplace(api_, collection("apps/v1", "Deployment"), ours, changed);
  stateful_sets_.emplace(api_, collection("apps/v1", "StatefulSet"), ours, changed);
  replica_sets_.emplace(api_, collection("apps/v1", "ReplicaSet"), made, changed);
  jobs_.emplace(api_, collection("batch/v1", "Job"), ours, changed);
  pods_.emplace(api_, collection("v1", "Pod"), made, changed);
}

bool Cluster::listed() const {
  for (const auto* one : {&*deployments_, &*stateful_sets_, &*replica_sets_, &*jobs_, &*pods_}) {
    if (one->error()) throw *one->error();
    if (!one->listed()) return false;
  }
  return true;
}

bool Cluster::news() {
  return std::exchange(*news_, false) && listed();
}

void Cluster::poll() {
  if (!std::exchange(*ticking_, true))
    api_.later(kTick, [news = news_, ticking = ticking_] {
      *news = true;
      *ticking = false;
    });
  api_.poll(Millis(1'000));
}

json Cluster::workload(const json& manifest) const {
  const auto& objects =
      (manifest.value("kind", "") == "StatefulSet" ? stateful_sets_ : deployments_)->objects();
  const auto it = objects.find(key_of(manifest).name);
  return it == objects.end() ? json() : it->second;
}

}  // namespace slipway::kubernetes
