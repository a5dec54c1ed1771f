#include "plugins/swarm/judge.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace slipway::swarm {

namespace {

// One that ends is bad luck, the third is not.
constexpr int kCrashes = 3;
// A pull may fail for a moment.
constexpr int kRefusals = 2;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string error_of(const json& task) {
  return task.value("/Status/Err"_json_pointer, "");
}

bool is_wanted(const json& task) {
  const auto desired = task.value("DesiredState", "");
  return desired == "running" || desired == "ready";
}

bool is_unhealthy(const json& task) {
  return contains(error_of(task), "unhealthy container");
}

// "No such image", or what the registry said.
bool misses_image(const std::string& error) {
  return contains(error, "No such image") || contains(error, "pull access denied") ||
         contains(error, "manifest unknown") || contains(error, "not found: manifest");
}

// Not for a second try.
std::string hopeless(const json& task) {
  const auto error = error_of(task);
  if (contains(error, "exec format error")) return "its image is for another processor: exec format error";
  if (contains(error, "unsupported platform")) return "no node has the platform of its image: " + error;
  return "";
}

const std::map<std::string_view, std::string_view>& waits() {
  static const std::map<std::string_view, std::string_view> out = {
      {"new", "the swarm to see it"},  {"allocated", "a node"},
      {"pending", "a node"},           {"assigned", "its node to take it"},
      {"accepted", "its node"},        {"preparing", "its image to be pulled"},
      {"ready", "the old one to end"}, {"starting", "its healthcheck"}};
  return out;
}

std::string waits_for(const json& task) {
  const auto state = state_of(task);
  // "no suitable node (insufficient resources on 1 node)"
  if (const auto error = error_of(task); !error.empty() && !has_ended(task)) return error;
  const auto it = waits().find(state);
  return it == waits().end() ? "the swarm" : std::string(it->second);
}

}  // namespace

std::string task_hash(const json& task) {
  const auto labels = task.value("/Spec/ContainerSpec/Labels"_json_pointer, json::object());
  return labels.is_object() ? labels.value(label::task, "") : "";
}

std::string state_of(const json& task) {
  return task.value("/Status/State"_json_pointer, "");
}

bool has_ended(const json& task) {
  static const std::set<std::string> ended = {"complete", "shutdown", "failed",
                                              "rejected", "orphaned", "remove"};
  return ended.contains(state_of(task));
}

bool is_running(const json& task) {
  return state_of(task) == "running" && task.value("DesiredState", "") == "running";
}

std::string how_it_ended(const json& task) {
  const auto state = state_of(task);
  if (is_unhealthy(task)) return "its healthcheck does not pass";
  const auto error = error_of(task);
  const auto code = task.value("/Status/ContainerStatus/ExitCode"_json_pointer, 0);
  if (contains(error, "non-zero exit") || (error.empty() && state != "rejected"))
    return code > 128 && code < 160 ? fmt::format("exit {} (signal {})", code, code - 128)
                                    : fmt::format("exit {}", code);
  return error.empty() ? state : error;
}

Verdict judge(const ServiceSpec& wanted, const json& service, const std::vector<json>& tasks,
              const std::set<std::string>& before) {
  Verdict out;
  out.wanted = wanted.replicas();
  if (service.is_null()) {
    out.state = Verdict::State::failed;
    out.why = "somebody removed it";
    return out;
  }
  std::vector<const json*> own;
  int old = 0;
  for (const auto& task : tasks) {
    if (task_hash(task) == wanted.task_hash())
      own.push_back(&task);
    else
      old += is_wanted(task) && !has_ended(task);
  }
  std::sort(own.begin(), own.end(), [](const json* a, const json* b) {
    return a->value("CreatedAt", "") > b->value("CreatedAt", "");
  });
  std::map<int, int> ends, refusals;  // by slot
  std::string failure, waiting;
  bool settled = true;  // what was begun of the new version runs
  const auto fail = [&](const json& task, std::string why) {
    if (failure.empty()) failure = std::move(why);
    out.tasks.push_back(task);
  };
  for (const auto* task : own) {
    if (is_running(*task)) ++out.ready;
    if (!has_ended(*task)) {
      settled &= is_running(*task) || !is_wanted(*task);
      if (is_wanted(*task) && waiting.empty() && !is_running(*task)) waiting = waits_for(*task);
      continue;
    }
    const auto state = state_of(*task);
    if (before.contains(task->value("ID", "")) || state == "shutdown" || state == "remove") continue;
    const auto slot = task->value("Slot", 0);
    if (const auto why = hopeless(*task); !why.empty()) {
      fail(*task, why);
    } else if (is_unhealthy(*task)) {
      fail(*task, how_it_ended(*task));
    } else if (state == "rejected" || contains(error_of(*task), "starting container failed")) {
      if (++refusals[slot] >= kRefusals)
        fail(*task,
             (misses_image(error_of(*task)) ? "the image cannot be pulled: " : "it cannot be started: ") +
                 error_of(*task));
    } else if (++ends[slot] >= kCrashes) {
      // The engine does not tell why it stopped a container that then ended well.
      const bool unsure = wanted.checked && state == "complete";
      fail(*task, "it ends again and again: " + how_it_ended(*task) +
                      (unsure ? ", of itself or since its healthcheck does not pass" : ""));
    }
    if (failure.empty() && waiting.empty() && out.ready < out.wanted)
      waiting = "its next start: " + how_it_ended(*task);
  }
  const auto update = service.value("/UpdateStatus/State"_json_pointer, "");
  // The swarm's own way back, which nobody asked for.
  if (failure.empty() && update.starts_with("rollback_")) {
    failure = fmt::format("the swarm stopped the update: {}",
                          service.value("/UpdateStatus/Message"_json_pointer, update));
    for (const auto* task : own)
      if (has_ended(*task)) out.tasks.push_back(*task);
  }
  out.paused = update == "paused" && out.ready > 0 && settled;
  if (!failure.empty()) {
    out.state = Verdict::State::failed;
    out.why = failure;
    return out;
  }
  if (out.ready >= out.wanted && old == 0) {
    out.state = Verdict::State::ready;
    return out;
  }
  if (out.ready >= out.wanted)
    out.why = fmt::format("{} of the version before to end", old);
  else
    out.why = waiting.empty() ? "the swarm to see it" : waiting;
  return out;
}

Verdict judge_command(const std::vector<json>& tasks) {
  Verdict out;
  out.wanted = 1;
  out.why = "the swarm to see it";
  for (const auto& task : tasks) {
    out.tasks = {task};
    if (!has_ended(task)) {
      const auto state = state_of(task);
      out.why = state == "running" || state == "starting" ? "its end" : waits_for(task);
    } else if (state_of(task) == "complete") {
      out.state = Verdict::State::ready;
      out.ready = 1;
    } else {
      out.state = Verdict::State::failed;
      out.why =
          misses_image(error_of(task)) ? "the image cannot be pulled: " + error_of(task) : how_it_ended(task);
    }
    break;
  }
  return out;
}

}  // namespace slipway::swarm
