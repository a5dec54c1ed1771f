#include "plugins/kubernetes/refusal.h"

#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

namespace {

// "conflict with "kubectl-edit" using apps/v1" → kubectl-edit.
std::string manager_in(const std::string& message) {
  const auto from = message.find("conflict with \"");
  if (from == std::string::npos) return "another manager";
  const auto begin = from + 15;
  return message.substr(begin, message.find('"', begin) - begin);
}

json causes_of(const ApiError& error) {
  const auto at = "/details/causes"_json_pointer;
  return error.body.contains(at) && error.body.at(at).is_array() ? error.body.at(at) : json::array();
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string way_out(const ObjectKey& key) {
  const auto remove =
      fmt::format("`kubectl delete {}{}`", key.str(), key.is_cluster_wide() ? "" : " -n " + key.name_space);
  if (key.kind == "Job")
    return "a Job runs once: give it another name, or make it `before: {run: …}` of the service, which runs "
           "in "
           "each release";
  if (key.kind == "StatefulSet")
    return fmt::format("{} leaves its pods and its data where they are, and the next rollout takes them over",
                       remove.substr(0, remove.size() - 1) + " --cascade=orphan`");
  if (key.kind == "Secret" || key.kind == "ConfigMap")
    return "it says `immutable: true`: give the changed one another name";
  if (key.kind == "PersistentVolumeClaim")
    return "a claim keeps what it was made with, but its size may grow: make another claim";
  return fmt::format("give the service another name, or remove what is there with {} and run again", remove);
}

}  // namespace

std::vector<Conflict> conflicts_in(const ApiError& error) {
  std::vector<Conflict> out;
  for (const auto& cause : causes_of(error)) {
    if (cause.value("reason", "") != "FieldManagerConflict") continue;
    auto field = cause.value("field", "");
    while (field.starts_with('.')) field.erase(0, 1);
    out.push_back({field, manager_in(cause.value("message", ""))});
  }
  return out;
}

std::vector<std::string> immutable_in(const ApiError& error) {
  std::vector<std::string> out;
  for (const auto& cause : causes_of(error)) {
    const auto message = cause.value("message", "");
    for (const char* words : {"field is immutable", "updates to statefulset spec",
                              "is immutable after creation", "cannot change roleRef"})
      if (message.find(words) != std::string::npos) {
        out.push_back(cause.value("field", ""));
        break;
      }
  }
  return out;
}

Error explained(const ApiError& error, const json& manifest) {
  const auto key = key_of(manifest);
  Error out(error.code(), fmt::format("{}: {}", key.str(), error.message()));
  out.hint(error.hint());
  const auto fixed = immutable_in(error);
  if (const auto conflicts = conflicts_in(error); !conflicts.empty()) {
    std::vector<std::string> texts;
    for (const auto& one : conflicts) texts.push_back(fmt::format("{} (of {})", one.field, one.manager));
    out = Error(ExitCode::denied,
                fmt::format("{} has fields that somebody else set: {}", key.str(), joined(texts)));
    out.hint("take them out of the spec, or name them under `target`: `take_over: [FIELD…]`");
  } else if (!fixed.empty()) {
    out = Error(ExitCode::usage, fmt::format("{} is there, and a cluster does not change its {} in place",
                                             key.str(), joined(fixed)));
    out.hint(way_out(key));
  }
  out.trail(fmt::format("while applying {}", key.str()));
  return out;
}

}  // namespace slipway::kubernetes
