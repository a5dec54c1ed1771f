#include "plugins/kubernetes/judge.h"

#include "base/error.h"

namespace slipway::kubernetes {

namespace {

// One failed start may be bad luck; a third is not.
constexpr int kRestartsAllowed = 2;
// Faults that the cluster itself may mend in a moment: a Secret that is not there yet, a quota that is freed.
constexpr Millis kMayPass{10'000};

std::string text(const json& from, const json::json_pointer& at) {
  const auto* value = from.contains(at) ? &from.at(at) : nullptr;
  return value && value->is_string() ? value->get<std::string>() : "";
}

std::int64_t number(const json& from, const json::json_pointer& at) {
  return from.contains(at) && from.at(at).is_number_integer() ? from.at(at).get<std::int64_t>() : 0;
}

const json* condition(const json& object, const std::string& type) {
  const auto at = "/status/conditions"_json_pointer;
  if (!object.contains(at)) return nullptr;
  for (const auto& one : object.at(at))
    if (one.value("type", "") == type) return &one;
  return nullptr;
}

bool is_owned_by(const json& object, const std::string& uid) {
  const auto at = "/metadata/ownerReferences"_json_pointer;
  if (uid.empty() || !object.contains(at)) return false;
  for (const auto& owner : object.at(at))
    if (owner.value("uid", "") == uid) return true;
  return false;
}

std::string first_line(std::string text) {
  constexpr std::size_t kMost = 300;
  for (auto& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  return text.size() > kMost ? text.substr(0, kMost) + "…" : text;
}

std::int64_t micros_of(const std::string& time) {
  std::tm tm{};
  return ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%SZ", &tm)
             ? static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000
             : 0;
}

// How a container ended: "exit 3", "killed: out of memory".
std::string ending(const json& terminated) {
  const auto reason = terminated.value("reason", "");
  if (reason == "OOMKilled") return "killed: it used more memory than its limit";
  const auto message = terminated.value("message", "");
  if (reason == "StartError" || reason == "ContainerCannotRun") return "cannot start: " + first_line(message);
  if (const auto signal = terminated.value("signal", 0)) return fmt::format("killed by signal {}", signal);
  return fmt::format("exit {}", terminated.value("exitCode", 0));
}

bool is_of_wrong_kind(const std::string& message) {
  return message.find("exec format error") != std::string::npos;
}

bool is_image_fault(const std::string& reason) {
  return reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "InvalidImageName" ||
         reason == "ErrImageNeverPull" || reason == "RegistryUnavailable" || reason == "ImageInspectError";
}

// The ReplicaSet of the newest version: the one whose revision is the Deployment's.
const json* newest_set(const json& deployment, const Objects& sets) {
  const auto uid = text(deployment, "/metadata/uid"_json_pointer);
  const auto revision = "/metadata/annotations/deployment.kubernetes.io~1revision"_json_pointer;
  for (const auto& [_, set] : sets)
    if (is_owned_by(set, uid) && text(set, revision) == text(deployment, revision)) return &set;
  return nullptr;
}

}  // namespace

bool is_ready(const json& pod) {
  const auto* ready = condition(pod, "Ready");
  return ready && ready->value("status", "") == "True" &&
         !pod.contains("/metadata/deletionTimestamp"_json_pointer);
}

std::string newest_hash(const json& deployment, const Objects& replica_sets) {
  const auto* set = newest_set(deployment, replica_sets);
  return set ? text(*set, "/metadata/labels/pod-template-hash"_json_pointer) : "";
}

bool Judge::lasts(const std::string& what, Millis limit, std::int64_t now) {
  const auto first = since_.emplace(what, now).first->second;
  return now - first >= limit.count() * 1000;
}

Verdict Judge::look(const json& workload, const Objects& sets, const Objects& pods, std::int64_t now) {
  Verdict out;
  if (workload.is_null()) {
    out.why = "it is not there yet";
    return out;
  }
  const bool stateful = workload.value("kind", "") == "StatefulSet";
  out.wanted = static_cast<int>(workload.value("/spec/replicas"_json_pointer, 1));
  const auto& status = workload.contains("status") ? workload.at("status") : json::object();
  if (number(status, "/observedGeneration"_json_pointer) <
      number(workload, "/metadata/generation"_json_pointer)) {
    out.why = "the cluster's controllers have not seen it yet";
    return out;
  }
  std::vector<const json*> newest;
  const json* set = nullptr;
  if (stateful) {
    const auto uid = text(workload, "/metadata/uid"_json_pointer);
    const auto revision = status.value("updateRevision", "");
    for (const auto& [_, pod] : pods)
      if (is_owned_by(pod, uid) &&
          text(pod, "/metadata/labels/controller-revision-hash"_json_pointer) == revision)
        newest.push_back(&pod);
  } else if ((set = newest_set(workload, sets))) {
    for (const auto& [_, pod] : pods)
      if (is_owned_by(pod, text(*set, "/metadata/uid"_json_pointer))) newest.push_back(&pod);
  }
  std::erase_if(newest,
                [](const json* pod) { return pod->contains("/metadata/deletionTimestamp"_json_pointer); });
  for (const auto* pod : newest) out.ready += is_ready(*pod);
  const auto count = [&](const char* name) { return status.value(name, 0); };
  const bool complete =
      count("updatedReplicas") >= out.wanted && count("replicas") <= out.wanted &&
      (stateful ? count("readyReplicas") : count("availableReplicas")) >= out.wanted &&
      (!stateful || status.value("currentRevision", "") == status.value("updateRevision", "") ||
       count("updatedReplicas") == count("replicas"));
  if (complete && out.ready >= out.wanted) {
    out.state = Verdict::State::ready;
    return out;
  }
  out = of_pods(out, newest, now);
  if (out.state == Verdict::State::failed) return out;
  for (const auto* object : {set, &workload}) {
    const auto* failure = object ? condition(*object, "ReplicaFailure") : nullptr;
    if (!failure || failure->value("status", "") != "True") continue;
    const auto message = first_line(failure->value("message", ""));
    out.why = "no pod can be made: " + message;
    if (lasts("create", kMayPass, now)) out.state = Verdict::State::failed;
    return out;
  }
  if (out.why.empty())
    out.why = out.ready >= out.wanted
                  ? "the old ones to end"
                  : fmt::format("{} of {} to be ready", out.wanted - out.ready, out.wanted);
  return out;
}

Verdict Judge::look_job(const json& job, const Objects& pods, std::int64_t now) {
  Verdict out;
  out.wanted = 1;
  if (job.is_null()) {
    out.why = "it is not there yet";
    return out;
  }
  std::vector<const json*> own;
  for (const auto& [name, pod] : pods)
    if (is_owned_by(pod, text(job, "/metadata/uid"_json_pointer))) own.push_back(&pod);
  if (!own.empty()) out.pod = text(*own.back(), "/metadata/name"_json_pointer);
  if (const auto* done = condition(job, "Complete"); done && done->value("status", "") == "True") {
    out.state = Verdict::State::ready;
    out.ready = 1;
    return out;
  }
  if (const auto* failed = condition(job, "Failed"); failed && failed->value("status", "") == "True") {
    out.state = Verdict::State::failed;
    out.why = failed->value("reason", "") == "DeadlineExceeded" ? "it takes longer than it may"
                                                                : first_line(failed->value("message", ""));
    for (const auto* pod : own)
      for (const auto& container : pod->value("/status/containerStatuses"_json_pointer, json::array()))
        if (container.contains("/state/terminated"_json_pointer))
          out.why = ending(container.at("/state/terminated"_json_pointer));
    return out;
  }
  // A pod that failed is the Job's to tell.
  std::erase_if(own, [](const json* pod) { return text(*pod, "/status/phase"_json_pointer) == "Failed"; });
  out = of_pods(out, own, now);
  if (out.why.empty()) out.why = "it to end";
  return out;
}

Verdict Judge::of_pods(Verdict verdict, const std::vector<const json*>& pods, std::int64_t now) {
  const auto fail = [&](const json& pod, std::string why) {
    verdict.state = Verdict::State::failed;
    verdict.why = std::move(why);
    verdict.pod = text(pod, "/metadata/name"_json_pointer);
    return verdict;
  };
  const auto wait = [&](const json& pod, std::string why) {
    if (!verdict.why.empty()) return;
    verdict.why = std::move(why);
    verdict.pod = text(pod, "/metadata/name"_json_pointer);
  };
  for (const auto* one : pods) {
    const auto& pod = *one;
    const auto name = text(pod, "/metadata/name"_json_pointer), uid = text(pod, "/metadata/uid"_json_pointer);
    if (const auto* scheduled = condition(pod, "PodScheduled");
        scheduled && scheduled->value("status", "") == "False") {
      wait(pod, "a node that takes it: " + first_line(scheduled->value("message", "")));
      continue;
    }
    if (text(pod, "/status/phase"_json_pointer) == "Failed") {
      const auto why = fmt::format("pod {} failed: {}", name,
                                   first_line(text(pod, "/status/reason"_json_pointer) + " " +
                                              text(pod, "/status/message"_json_pointer)));
      if (lasts("failed", kMayPass, now)) return fail(pod, why);
      wait(pod, why);
      continue;
    }
    for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
      const auto at = json::json_pointer("/status") / list;
      if (!pod.contains(at)) continue;
      for (const auto& container : pod.at(at)) {
        const auto reason = text(container, "/state/waiting/reason"_json_pointer);
        const auto message = text(container, "/state/waiting/message"_json_pointer);
        const int restarts = container.value("restartCount", 0);
        if (is_image_fault(reason)) {
          const auto why =
              fmt::format("the image cannot be pulled: {}", first_line(message.empty() ? reason : message));
          // The first failed pull is tried again; the cluster then says "back-off".
          if (reason != "ErrImagePull" && reason != "RegistryUnavailable") return fail(pod, why);
          if (lasts(uid + "/pull", kMayPass, now)) return fail(pod, why);
          wait(pod, why);
          continue;
        }
        const json* ended = nullptr;
        for (const char* state : {"state", "lastState"})
          if (!ended && container.contains(state) && container[state].contains("terminated"))
            ended = &container[state]["terminated"];
        if (is_of_wrong_kind(message) || (ended && is_of_wrong_kind(ended->value("message", ""))))
          return fail(pod, "the image is for another kind of processor: exec format error");
        if (reason == "CreateContainerConfigError" || reason == "CreateContainerError" ||
            reason == "RunContainerError") {
          const auto why = fmt::format("the container cannot start: {}", first_line(message));
          if (restarts >= kRestartsAllowed || lasts(uid + "/start", kMayPass, now)) return fail(pod, why);
          wait(pod, why);
          continue;
        }
        if (ended && std::string_view(list) == "containerStatuses" &&
            (reason == "CrashLoopBackOff" ||
             container.value("/state/terminated"_json_pointer, json()).is_object())) {
          const auto why = fmt::format("it ends again and again: {}", ending(*ended));
          if (restarts >= kRestartsAllowed) return fail(pod, why);
          wait(pod, fmt::format("a restart after {}", ending(*ended)));
          continue;
        }
        if (ended && std::string_view(list) == "initContainerStatuses" && ended->value("exitCode", 0) != 0) {
          const auto why =
              fmt::format("its init container `{}` fails: {}", container.value("name", ""), ending(*ended));
          if (restarts >= kRestartsAllowed) return fail(pod, why);
          wait(pod, why);
          continue;
        }
        if (restarts > kRestartsAllowed && ended)
          return fail(pod, fmt::format("it ended {} times, the last time: {}", restarts, ending(*ended)));
        const auto started = micros_of(text(container, "/state/running/startedAt"_json_pointer));
        if (started && !container.value("ready", false)) {
          if (ready_within_.count() > 0 &&
              lasts(fmt::format("{}/ready/{}", uid, restarts), ready_within_, now))
            return fail(
                pod, fmt::format("its healthcheck does not pass within {}", format_duration(ready_within_)));
          wait(pod, "its healthcheck to pass");
        }
        if (!reason.empty() && reason != "ContainerCreating" && reason != "PodInitializing")
          wait(pod, reason + (message.empty() ? "" : ": " + first_line(message)));
      }
    }
  }
  return verdict;
}

}  // namespace slipway::kubernetes
