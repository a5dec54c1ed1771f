#include "plugins/swarm/evidence.h"

#include "plugins/swarm/judge.h"
#include "plugins/swarm/task_log.h"

namespace slipway::swarm {

namespace {

constexpr int kLines = 20;
constexpr std::size_t kTasks = 2;

std::string indented(const std::string& text) {
  std::string out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    out += "  " + text.substr(from, end - from) + "\n";
    from = end + 1;
  }
  return out;
}

// The last answer of its healthcheck: told by the engine that ran it, which may be another one.
std::string last_check(oci::EngineApi& api, const json& task) {
  const auto id = task.value("/Status/ContainerStatus/ContainerID"_json_pointer, "");
  if (id.empty()) return "";
  try {
    const auto container = api.find("/containers/" + id + "/json");
    if (!container) return "";
    const auto answers = container->value("/State/Health/Log"_json_pointer, json());
    if (!answers.is_array() || answers.empty()) return "";
    // The one that was cut off when the container was stopped says nothing.
    for (auto it = answers.rbegin(); it != answers.rend(); ++it)
      if (it->value("ExitCode", 0) != 0 && it->value("ExitCode", 0) != 137)
        return fmt::format("its healthcheck: exit {}\n{}", it->value("ExitCode", 0),
                           indented(it->value("Output", "")));
    return "";
  } catch (const oci::EngineError&) {
    return "";
  }
}

std::string node_name(oci::EngineApi& api, const json& task) {
  const auto id = task.value("NodeID", "");
  if (id.empty()) return "no node";
  try {
    const auto node = api.find("/nodes/" + id);
    return node ? node->value("/Description/Hostname"_json_pointer, id) : id;
  } catch (const oci::EngineError&) {
    return id;
  }
}

}  // namespace

std::string evidence_of(oci::EngineApi& api, const std::string& service, const std::vector<json>& tasks) {
  std::string out;
  for (std::size_t i = 0; i < tasks.size() && i < kTasks; ++i) {
    const auto& task = tasks[i];
    out += fmt::format("{}.{} on {}: {}, {}\n", service, task.value("Slot", 0), node_name(api, task),
                       state_of(task), how_it_ended(task));
    if (const auto error = task.value("/Status/Err"_json_pointer, "");
        error.find("\"/bin/sh\"") != std::string::npos)
      out += "  secrets become variables, and paths and ports are asked, by a shell: its image has none\n";
    if (!has_started(task)) continue;
    out += last_check(api, task);
    if (const auto lines = last_lines(api, task, kLines); !lines.empty())
      out += "its last lines:\n" + indented(lines);
  }
  return out;
}

}  // namespace slipway::swarm
