#include "plugins/kubernetes/apply.h"

#include "sys/digest.h"

namespace slipway::kubernetes {

namespace {

constexpr Millis kGoneLimit{120'000};

// "conflict with "kubectl-edit" using apps/v1" → kubectl-edit.
std::string manager_in(const std::string& message) {
  const auto from = message.find("conflict with \"");
  if (from == std::string::npos) return "another manager";
  const auto begin = from + 15;
  return message.substr(begin, message.find('"', begin) - begin);
}

struct Conflict {
  std::string field, manager;
};

std::vector<Conflict> conflicts_in(const ApiError& error) {
  std::vector<Conflict> out;
  for (const auto& cause : error.body.value("/details/causes"_json_pointer, json::array())) {
    if (cause.value("reason", "") != "FieldManagerConflict") continue;
    auto field = cause.value("field", "");
    while (field.starts_with('.')) field.erase(0, 1);
    out.push_back({field, manager_in(cause.value("message", ""))});
  }
  return out;
}

// An autoscaler's, or a person's `kubectl scale`: the number is theirs.
bool only_replicas(const std::vector<Conflict>& conflicts) {
  return conflicts.size() == 1 && conflicts[0].field == "spec.replicas";
}

Error explained(const ApiError& error, const json& manifest) {
  const auto key = key_of(manifest);
  Error out(error.code(), fmt::format("{}: {}", key.str(), error.message()));
  out.hint(error.hint());
  const auto conflicts = conflicts_in(error);
  if (!conflicts.empty()) {
    std::string text;
    for (const auto& one : conflicts)
      text += fmt::format("{}{} (of {})", text.empty() ? "" : ", ", one.field, one.manager);
    out = Error(ExitCode::denied, fmt::format("{} has fields that somebody else set: {}", key.str(), text));
    out.hint("take them out of the spec, or name them under `target`: `take_over: [FIELD…]`");
  } else if (error.message().find("field is immutable") != std::string::npos) {
    out.hint(fmt::format(
        "this field cannot be changed in place: `kubectl delete {} -n {}` and run again, or give the "
        "service another name",
        key.str(), key.name_space));
  } else if (error.status == 404 && error.message().find("namespaces") != std::string::npos) {
    out.hint(fmt::format("make it with `kubectl create namespace {}`, or name another under `target`",
                         key.name_space));
  }
  out.trail(fmt::format("while applying {}", key.str()));
  return out;
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
  if (manifest.value("kind", "") == "PodDisruptionBudget" &&
      manifest.value("apiVersion", "") == "policy/v1" && !kinds_.has("policy/v1", "PodDisruptionBudget"))
    manifest["apiVersion"] = "policy/v1beta1";  // before 1.21
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

std::map<ObjectKey, json> Writer::look(const std::vector<ObjectKey>& keys) {
  std::map<ObjectKey, json> out;
  std::optional<Error> failure;
  std::size_t left = 0;
  for (const auto& key : keys) {
    Request request;
    request.path = kinds_.path(key);
    ++left;
    api_.start(std::move(request), [&, key](Answer answer) {
      --left;
      if (!answer.error)
        out[key] = std::move(answer.body);
      else if (answer.error->status == 404)
        out[key] = nullptr;
      else if (!failure)
        failure = *answer.error;
    });
  }
  while (left > 0) api_.poll(Millis(1'000));
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
    throw Error(ExitCode::denied, fmt::format("{} in namespace {} is there already and not of `{}`{}",
                                              key.str(), key.name_space, place_.title(),
                                              manager.empty() ? "" : fmt::format(": {} made it", manager)))
        .hint("give the service another name, use another namespace, or remove that object first");
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

void Writer::take_answer(const json& manifest, Answer answer, json& into, std::optional<Error>& failure,
                         bool dry_run) {
  if (!answer.error) {
    into = std::move(answer.body);
    return;
  }
  const auto conflicts = conflicts_in(*answer.error);
  const bool allowed =
      !conflicts.empty() && std::all_of(conflicts.begin(), conflicts.end(), [&](const Conflict& one) {
        return take_over_.contains("*") || take_over_.contains(one.field);
      });
  if (allowed || only_replicas(conflicts)) {
    auto again = manifest;
    if (!allowed) again["spec"].erase("replicas");
    try {
      into = api_.call(patch(again, allowed, dry_run));
    } catch (const ApiError& e) {
      if (!failure) failure = explained(e, manifest);
    }
    return;
  }
  if (!failure) failure = explained(*answer.error, manifest);
}

std::vector<json> Writer::apply(const std::vector<json>& manifests, bool dry_run) {
  std::vector<json> out(manifests.size());
  std::vector<std::pair<std::size_t, Answer>> answers;
  std::optional<Error> failure;
  std::size_t left = manifests.size();
  for (std::size_t i = 0; i < manifests.size(); ++i)
    api_.start(patch(manifests[i], false, dry_run), [&, i](Answer answer) {
      answers.emplace_back(i, std::move(answer));
      --left;
    });
  while (left > 0) api_.poll(Millis(1'000));
  for (auto& [i, answer] : answers) take_answer(manifests[i], std::move(answer), out[i], failure, dry_run);
  if (failure) throw *failure;
  return out;
}

void Writer::remove(const std::vector<ObjectKey>& keys, bool wait) {
  std::optional<Error> failure;
  std::size_t left = keys.size();
  for (const auto& key : keys) {
    Request request;
    request.method = "DELETE";
    request.path = kinds_.path(key);
    request.body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", "Foreground"}};
    api_.start(std::move(request), [&, key](Answer answer) {
      --left;
      if (answer.error && answer.error->status != 404 && !failure)
        failure = Error(*answer.error).trail(fmt::format("while removing {}", key.str()));
    });
  }
  while (left > 0) api_.poll(Millis(1'000));
  if (failure) throw *failure;
  if (!wait) return;
  const auto deadline = std::chrono::steady_clock::now() + kGoneLimit;
  Millis pause(50);
  for (;;) {
    std::string still;
    for (const auto& [key, object] : look(keys))
      if (!object.is_null()) still = key.str();
    if (still.empty()) return;
    if (std::chrono::steady_clock::now() > deadline)
      throw Error(ExitCode::timeout, fmt::format("{} does not go away", still))
          .hint("a finalizer may hold it: look at `kubectl get -o yaml`");
    bool over = false;
    api_.later(pause, [&] { over = true; });
    while (!over) api_.poll(Millis(1'000));
    pause = std::min(pause * 2, Millis(1'000));
  }
}

}  // namespace slipway::kubernetes
