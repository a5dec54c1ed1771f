// Does a service serve, is it on its way, or has it failed? Read from its tasks; those of earlier versions
// are never judged.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "plugins/swarm/generate.h"

namespace slipway::swarm {

struct Verdict {
  enum class State { waiting, ready, failed };
  State state = State::waiting;
  int ready = 0, wanted = 0;  // of the new version
  std::string why;            // what it waits for, or why it failed; one line
  std::vector<json> tasks;    // the ones to look at, the newest first
  bool paused = false;        // the swarm stopped after a fault, and all that it began runs now
};

// `service`: as the swarm tells it, null when it is not there. `before`: ids of tasks that ended before this
// rollout.
Verdict judge(const ServiceSpec& wanted, const json& service, const std::vector<json>& tasks,
              const std::set<std::string>& before);
// Of a command: ready is that it ended well.
Verdict judge_command(const std::vector<json>& tasks);

std::string task_hash(const json& task);  // of the specification it was made from
bool has_ended(const json& task);
bool is_running(const json& task);           // and healthy, where it has a healthcheck
std::string state_of(const json& task);      // "running" "failed" "rejected"…
std::string how_it_ended(const json& task);  // "exit 3", "it was killed by SIGKILL", what the engine says

}  // namespace slipway::swarm
