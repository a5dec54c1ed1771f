#include "plugins/kubernetes/actions.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "plugins/kubernetes/inventory.h"
#include "plugins/kubernetes/lease.h"
#include "sys/yaml_reader.h"

namespace slipway::kubernetes {

namespace {

std::vector<std::string> ids_of(const std::vector<Release>& releases) {
  std::vector<std::string> out;
  for (const auto& release : releases) out.push_back(release.id);
  return out;
}

// Of the image of its first container that has one by digest, which in own manifests is the release's.
std::string digest_of(const json& workload) {
  std::string out;
  for (const auto& [_, image] : images_of(workload)) {
    const auto at = image.find('@');
    if (at != std::string::npos) return image.substr(at + 1);
    if (out.empty()) out = image;
  }
  return out;
}

// Keys in the order in which people write them.
nlohmann::ordered_json ordered(const json& object) {
  nlohmann::ordered_json out;
  for (const char* key : {"apiVersion", "kind", "metadata", "type", "immutable"})
    if (object.contains(key)) out[key] = nlohmann::ordered_json::parse(object[key].dump());
  for (const auto& [key, value] : object.items())
    if (!out.contains(key)) out[key] = nlohmann::ordered_json::parse(value.dump());
  return out;
}

// What it is made of beside its workload, without the values of Secrets, which no record has.
std::vector<json> around(const ServiceObjects& service) {
  auto out = service.config;
  out.insert(out.end(), service.after.begin(), service.after.end());
  return out;
}

}  // namespace

Outcome rollback(Api& api, const Place& place, const Settings& settings, const Invocation& invocation,
                 Context& context) {
  Lease lease(api, place);
  Records records(api, place);
  Rollout rollout(api, place, settings, context, invocation.project_dir);
  const auto releases = records.releases();
  const auto find = [&](const std::string& id) -> const Release* {
    for (const auto& release : releases)
      if (release.id == id) return &release;
    return nullptr;
  };
  auto wanted = invocation.params.value("release", std::string());
  if (wanted.empty()) {
    const auto* current = find(rollout.state().release);
    if (!current) throw Error(ExitCode::usage, fmt::format("nothing is rolled out in `{}`", place.title()));
    if (current->previous.empty() || !find(current->previous))
      throw Error(ExitCode::usage, fmt::format("there is no release before `{}`", current->id))
          .hint("`slipway status` lists those that are kept");
    wanted = current->previous;
  }
  const auto* release = find(wanted);
  if (!release)
    throw Error(ExitCode::usage, fmt::format("there is no release `{}`", wanted))
        .hint(suggestion_hint(wanted, ids_of(releases)));
  if (release->state != "good")
    throw Error(ExitCode::usage, fmt::format("release `{}` never became healthy", wanted))
        .hint("`slipway status` lists the good ones");
  if (rollout.is_done(release->services))
    return Outcome::success({{"release", rollout.state().release},
                             {"rolled_back_to", wanted},
                             {"changed", json::array()},
                             {"urls", urls_of(release->services)}});
  auto outcome = rollout.run(release->services, wanted, [&] { lease.check(); });
  if (outcome.ok) outcome.outputs["rolled_back_to"] = wanted;
  return outcome;
}

Outcome down(Api& api, const Place& place, const json& params, Context& context) {
  Lease lease(api, place);
  Kinds kinds(api);
  Records records(api, place);
  const auto state = records.load();
  Writer writer(api, kinds, place, {});
  std::vector<ObjectKey> keys;
  std::size_t workloads = 0;
  for (const auto& [key, _] : state.objects) {
    const auto now = kinds.served(key);
    if (!now) continue;  // the kind is gone from the cluster, and the object with it
    if (key.is_cluster_wide()) {
      context.log(fmt::format("{} stays: it belongs to the whole cluster\n", key.str()));
      continue;
    }
    keys.push_back(*now);
    workloads += key.kind == "Deployment" || key.kind == "StatefulSet";
  }
  if (!keys.empty()) context.log(fmt::format("removing {} objects of {}\n", keys.size(), place.title()));
  writer.remove(keys, true);
  Request request;
  request.path = kinds.collection(kinds.find("v1", "PersistentVolumeClaim"), place.name_space);
  request.query["labelSelector"] = fmt::format("app.kubernetes.io/part-of={},slipway.dev/environment={}",
                                               place.project, place.environment);
  std::vector<ObjectKey> claims;
  json kept = json::array();
  const auto found = api.call(std::move(request));
  for (const auto& item : found.value("items", json::array())) {
    claims.push_back(
        {"v1", "PersistentVolumeClaim", place.name_space, item.value("/metadata/name"_json_pointer, "")});
    kept.push_back(claims.back().name);
  }
  if (params.value("volumes", false)) {
    writer.remove(claims, true);
    kept = json::array();
  }
  records.remove_all();
  return Outcome::success({{"stopped", workloads}, {"volumes", kept}});
}

Outcome status(Api& api, const Place& place) {
  Records records(api, place);
  Kinds kinds(api);
  const auto state = records.load();
  const auto releases = records.releases();
  json out = {{"project", place.project}, {"environment", place.environment}, {"namespace", place.name_space},
              {"release", state.release}, {"services", json::array()},        {"releases", json::array()}};
  if (!state.rollout.empty()) {
    out["rollout"] = state.rollout;
    if (const auto owner = Lease::holder(api, place); !owner.empty()) {
      out["owner"] = owner;
      if (!state.phase.empty()) out["phase"] = state.phase;
    }
  }
  const auto list = [&](const char* api_version, const char* kind, bool made) {
    Request request;
    request.path = kinds.collection(kinds.find(api_version, kind), place.name_space);
    request.query["labelSelector"] =
        made ? fmt::format("app.kubernetes.io/part-of={},slipway.dev/environment={}", place.project,
                           place.environment)
             : place.selector();
    Objects objects;
    auto answer = api.call(std::move(request));
    for (auto& item : answer["items"]) {
      item["apiVersion"] = api_version;
      item["kind"] = kind;
      const auto name = item.value("/metadata/name"_json_pointer, "");
      objects[name] = std::move(item);
    }
    return objects;
  };
  const Release* current = nullptr;
  for (const auto& release : releases) {
    json entry = {{"id", release.id}, {"state", release.state}, {"created", format_utc(release.created)}};
    if (!release.previous.empty()) entry["previous"] = release.previous;
    if (!release.rollback_of.empty()) entry["rollback_of"] = release.rollback_of;
    for (const auto& service : release.services) entry["images"][service.name] = digest_of(service.workload);
    if (release.id == state.release) {
      current = &release;
      out["created"] = entry["created"];
      if (release.live) out["live"] = format_utc(release.live);
    }
    out["releases"].push_back(std::move(entry));
  }
  if (!current) return Outcome::success(std::move(out));
  const auto deployments = list("apps/v1", "Deployment", false),
             stateful = list("apps/v1", "StatefulSet", false);
  const auto sets = list("apps/v1", "ReplicaSet", true), pods = list("v1", "Pod", true);
  std::set<ObjectKey> keys;
  for (const auto& service : current->services)
    for (const auto& object : around(service))
      if (const auto key = key_of(object); kinds.has(key.api_version, key.kind)) keys.insert(key);
  const auto live = live_objects(api, kinds, place, keys);
  // A later generation may be an autoscaler's, or of a field that is not ours.
  const auto drifted = [&](const json& wanted, const json& now) {
    const auto written = state.objects.find(key_of(wanted));
    return written != state.objects.end() && written->second.seen != seen_of(now) && !is_part_of(wanted, now);
  };
  for (const auto& service : current->services) {
    const auto key = key_of(service.workload);
    const auto& workloads = key.kind == "StatefulSet" ? stateful : deployments;
    const auto it = workloads.find(key.name);
    const auto now = it == workloads.end() ? json() : it->second;
    auto verdict = Judge(Millis(0)).look(now, sets, pods, now_micros());
    const auto images = images_of(service.workload);
    json entry = {
        {"name", service.name},
        {"release", current->id},
        {"image", digest_of(service.workload)},
        {"wanted", now.is_null() ? service.workload.value("/spec/replicas"_json_pointer, 1) : verdict.wanted},
        {"ready", verdict.ready},
        {"replicas", json::array()}};
    if (!service.url.empty()) entry["url"] = service.url;
    if (verdict.state != Verdict::State::ready) entry["why"] = verdict.why;
    if (!now.is_null() && images_of(now) != images) entry["drift"] = "its image was changed by somebody else";
    if (!now.is_null() && !entry.contains("drift") && drifted(service.workload, now))
      entry["drift"] = "it was changed since the rollout";
    for (const auto& object : around(service)) {
      if (entry.contains("drift")) break;
      if (!keys.contains(key_of(object))) continue;  // of a version that the cluster gave up since
      const auto other = live.find(key_of(object));
      if (other == live.end())
        entry["drift"] = fmt::format("{} is gone", key_of(object).str());
      else if (object.value("kind", "") != "Secret" && drifted(object, other->second))
        entry["drift"] = fmt::format("{} was changed since the rollout", key_of(object).str());
    }
    for (const auto& [name, pod] : pods) {
      if (service_of(pod) != service.name) continue;
      if (pod.contains("/metadata/deletionTimestamp"_json_pointer)) continue;  // on its way out
      bool ready = false;
      int exits = 0;
      for (const auto& one : pod.value("/status/conditions"_json_pointer, json::array()))
        ready |= one.value("type", "") == "Ready" && one.value("status", "") == "True";
      for (const auto& one : pod.value("/status/containerStatuses"_json_pointer, json::array()))
        exits += one.value("restartCount", 0);
      entry["replicas"].push_back({{"id", name},
                                   {"address", pod.value("/status/podIP"_json_pointer, "")},
                                   {"status", pod.value("/status/phase"_json_pointer, "")},
                                   {"health", ready ? "healthy" : "unhealthy"},
                                   {"exits", exits}});
    }
    out["services"].push_back(std::move(entry));
  }
  return Outcome::success(std::move(out));
}

std::string render(const std::vector<ServiceObjects>& services) {
  std::string out;
  const auto add = [&](json object) {
    // As plain texts, so that what is printed is a Secret that any tool reads.
    if (object.value("kind", "") == "Secret" && object.contains("data")) {
      for (const auto& [name, _] : object["data"].items()) object["stringData"][name] = "***";
      object.erase("data");
    }
    out += "---\n" + write_yaml(ordered(object));
  };
  for (const auto& service : services) {
    for (const auto& object : service.config) add(object);
    add(service.workload);
    for (const auto& object : service.after) add(object);
  }
  return out;
}

}  // namespace slipway::kubernetes
