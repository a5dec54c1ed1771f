#include "plugins/kubernetes/apply.h"

#include "plugins/kubernetes/refusal.h"
#include "sys/digest.h"

namespace slipway::kubernetes {

namespace {

constexpr Millis kGoneLimit{120'000}, kKindLimit{30'000};
// More than this at once and an API server answers 429.
constexpr std::size_t kAtOnce = 100;

// An autoscaler's, or a person's `kubectl scale`: the number is theirs.
bool only_replicas(const std::vector<Conflict>& conflicts) {
  return conflicts.size() == 1 && conflicts[0].field == "spec.replicas";
}

}  // namespace

std::string hash_of(const json& manifest) {
  return Digest::of(manifest.dump()).hex().substr(0, 16);
}

std::string seen_of(const json& object) {
  const auto generation = "/metadata/generation"_json_pointer;
  if (object.contains(generation) && object.at(generation).is_number_integer())
    return "g" + std::to_string(object.at(generation).get<std::int64_t>());
  return object.value("/metadata/resourceVersion"_json_pointer, "");
}

bool is_part_of(const json& part, const json& whole) {
  if (part.is_object()) {
    if (!whole.is_object()) return false;
    for (const auto& [key, value] : part.items())
      if (!whole.contains(key) || !is_part_of(value, whole.at(key))) return false;
    return true;
  }
  if (part.is_array()) {
    if (!whole.is_array() || whole.size() != part.size()) return false;
    for (std::size_t i = 0; i < part.size(); ++i)
      if (!is_part_of(part[i], whole[i])) return false;
    return true;
  }
  return part == whole;
}

json Writer::fit(json manifest) {
  const auto kind = manifest.value("kind", ""), version = manifest.value("apiVersion", "");
  // The same content under another version: the newest first.
  static const std::map<std::string, std::vector<std::string>> versions = {
      {"PodDisruptionBudget", {"policy/v1", "policy/v1beta1"}},                // before 1.21
      {"HorizontalPodAutoscaler", {"autoscaling/v2", "autoscaling/v2beta2"}},  // before 1.23
      {"CronJob", {"batch/v1", "batch/v1beta1"}}};                             // before 1.21
  if (const auto it = versions.find(kind);
      it != versions.end() && std::find(it->second.begin(), it->second.end(), version) != it->second.end())
    for (const auto& one : it->second)
      if (kinds_.has(one, kind)) {
        manifest["apiVersion"] = one;
        break;
      }
  if (!kinds_.is_namespaced(manifest.value("apiVersion", ""), kind)) manifest["metadata"].erase("namespace");
  return manifest;
}

void Writer::fit_sleep(json& workload) {
  const auto at = "/spec/template/spec/containers/0/lifecycle/preStop"_json_pointer;
  const auto command = at / "exec" / "command";
  if (!workload.contains(command)) return;
  const auto version = api_.version();
  if (std::atoi(version.value("major", "").c_str()) == 1 &&
      std::atoi(version.value("minor", "").c_str()) < 30)
    return;
  const auto seconds = std::atoi(workload.at(command).at(1).get<std::string>().c_str());
  workload[at] = {{"sleep", {{"seconds", seconds}}}};
}

void Writer::side_by_side(std::size_t count, const std::function<Request(std::size_t)>& request,
                          const std::function<void(std::size_t, Answer)>& done) {
  std::size_t next = 0, running = 0;
  while (next < count || running > 0) {
    for (; next < count && running < kAtOnce; ++next, ++running)
      api_.start(request(next), [&, i = next](Answer answer) {
        --running;
        done(i, std::move(answer));
      });
    api_.poll(Millis(1'000));
  }
}

std::map<ObjectKey, json> Writer::look(const std::vector<ObjectKey>& keys) {
  std::map<ObjectKey, json> out;
  std::optional<Error> failure;
  side_by_side(
      keys.size(),
      [&](std::size_t i) {
        Request request;
        request.path = kinds_.path(keys[i]);
        return request;
      },
      [&](std::size_t i, Answer answer) {
        if (!answer.error)
          out[keys[i]] = std::move(answer.body);
        else if (answer.error->status == 404)
          out[keys[i]] = nullptr;
        else if (!failure)
          failure = *answer.error;
      });
  if (failure) throw *failure;
  return out;
}

void Writer::check_ours(const std::vector<ObjectKey>& keys) {
  const auto wanted = place_.labels();
  for (const auto& [key, object] : look(keys)) {
    if (object.is_null()) continue;
    const auto labels = object.value("/metadata/labels"_json_pointer, json::object());
    bool ours = true;
    for (const auto& [name, value] : wanted.items())
      ours &= labels.value(name, "") == value.get<std::string>();
    if (ours) continue;
    const auto manager = labels.value("app.kubernetes.io/managed-by", "");
    Error error(ExitCode::denied,
                fmt::format("{}{} is there already and not of `{}`{}", key.str(),
                            key.is_cluster_wide() ? "" : " in namespace " + key.name_space, place_.title(),
                            manager.empty() ? "" : fmt::format(": {} made it", manager)));
    throw error.hint(
        key.is_cluster_wide()
            ? "leave it out of the manifests, since it is there, or give yours another name"
            : "give the service another name, use another namespace, or remove that object first");
  }
}

Request Writer::patch(const json& manifest, bool force, bool dry_run) {
  Request request;
  request.method = "PATCH";
  request.path = kinds_.path(key_of(manifest));
  request.query = {{"fieldManager", "slipway"}, {"force", force ? "true" : "false"}};
  if (dry_run) request.query["dryRun"] = "All";
  request.content_type = "application/apply-patch+yaml";
  request.body = manifest;
  return request;
}

bool Writer::may_take(const std::vector<Conflict>& conflicts) const {
  return !conflicts.empty() && std::all_of(conflicts.begin(), conflicts.end(), [&](const Conflict& one) {
    return take_over_.contains("*") || take_over_.contains(one.field);
  });
}

std::vector<Tried> Writer::put(const std::vector<json>& manifests, bool dry_run, bool look_behind_conflicts) {
  std::vector<Tried> out(manifests.size());
  struct Again {
    std::size_t index;
    json manifest;
    bool force;
  };
  std::vector<Again> again;
  side_by_side(
      manifests.size(), [&](std::size_t i) { return patch(manifests[i], false, dry_run); },
      [&](std::size_t i, Answer answer) {
        auto& one = out[i];
        if (!answer.error) {
          one.object = std::move(answer.body);
          return;
        }
        auto conflicts = conflicts_in(*answer.error);
        if (only_replicas(conflicts) && !may_take(conflicts)) {
          auto without = manifests[i];
          without["spec"].erase("replicas");
          again.push_back({i, std::move(without), false});
        } else if (may_take(conflicts)) {
          again.push_back({i, manifests[i], true});
        } else {
          // A webhook that cannot rehearse says so: what it would answer is not known before.
          const bool unknown =
              dry_run && answer.error->message().find("does not support dry run") != std::string::npos;
          if (!unknown) one.refusal = explained(*answer.error, manifests[i]);
          one.conflicts = std::move(conflicts);
          if (!one.conflicts.empty() && look_behind_conflicts) again.push_back({i, manifests[i], true});
        }
      });
  side_by_side(
      again.size(), [&](std::size_t i) { return patch(again[i].manifest, again[i].force, dry_run); },
      [&](std::size_t i, Answer answer) {
        auto& one = out[again[i].index];
        if (!answer.error)
          one.object = std::move(answer.body);
        else if (!one.refusal)
          one.refusal = explained(*answer.error, again[i].manifest);
      });
  return out;
}

std::vector<Tried> Writer::try_out(const std::vector<json>& manifests) {
  return put(manifests, true, true);
}

std::vector<json> Writer::apply(const std::vector<json>& manifests, bool dry_run) {
  std::vector<json> out;
  std::optional<Error> failure;
  std::string more;
  for (auto& one : put(manifests, dry_run, false)) {
    out.push_back(std::move(one.object));
    if (!one.refusal) continue;
    if (failure) more += one.refusal->message() + "\n";
    if (!failure) failure = *one.refusal;
  }
  if (failure && !more.empty()) failure->detail(more);
  if (failure) throw *failure;
  return out;
}

void Writer::rehearse(const std::vector<json>& manifests) {
  std::vector<json> known;
  for (const auto& manifest : manifests)
    if (!kinds_.is_to_come(key_of(manifest))) known.push_back(manifest);
  apply(known, true);
}

void Writer::await_kinds(const std::vector<json>& written) {
  std::vector<ObjectKey> kinds;
  for (const auto& object : written)
    if (object.value("kind", "") == "CustomResourceDefinition") kinds.push_back(key_of(object));
  if (kinds.empty()) return;
  wait_until(kKindLimit, [&]() -> std::string {
    for (const auto& [key, object] : look(kinds)) {
      bool established = false;
      std::string why = "the cluster does not take it up";
      const auto conditions =
          object.is_null() ? json::array() : object.value("/status/conditions"_json_pointer, json::array());
      for (const auto& one : conditions) {
        established |= one.value("type", "") == "Established" && one.value("status", "") == "True";
        if (one.value("type", "") == "NamesAccepted" && one.value("status", "") == "False")
          why = one.value("message", "its names are taken");
      }
      if (!established) return fmt::format("{} is not established: {}", key.str(), why);
    }
    return "";
  });
}

void Writer::remove(const std::vector<ObjectKey>& keys, bool wait) {
  std::optional<Error> failure;
  side_by_side(
      keys.size(),
      [&](std::size_t i) {
        Request request;
        request.method = "DELETE";
        request.path = kinds_.path(keys[i]);
        request.body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", "Foreground"}};
        return request;
      },
      [&](std::size_t i, Answer answer) {
        if (answer.error && answer.error->status != 404 && !failure)
          failure = Error(*answer.error).trail(fmt::format("while removing {}", keys[i].str()));
      });
  if (failure) throw *failure;
  if (!wait) return;
  wait_until(kGoneLimit, [&]() -> std::string {
    std::string still;
    for (const auto& [key, object] : look(keys))
      if (!object.is_null()) still = fmt::format("{} does not go away: a finalizer may hold it", key.str());
    return still;
  });
}

// Asks again, less and less often, until `what_for` has nothing left to name.
void Writer::wait_until(Millis limit, const std::function<std::string()>& what_for) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  Millis pause(50);
  for (;;) {
    const auto still = what_for();
    if (still.empty()) return;
    if (std::chrono::steady_clock::now() > deadline)
      throw Error(ExitCode::timeout, still).hint("`kubectl get -o yaml` shows what it waits for");
    bool over = false;
    api_.later(pause, [&] { over = true; });
    while (!over) api_.poll(Millis(1'000));
    pause = std::min(pause * 2, Millis(1'000));
  }
}

}  // namespace slipway::kubernetes
