// What a task's container writes, line by line as it comes, from whatever node it runs on.
#pragma once
#include <memory>
#include <string>

#include "oci/engine_api.h"
#include "plugin/plugin.h"
#include "plugins/swarm/place.h"

namespace slipway::swarm {

// Lines of one container. Shared with the request that fills it, which may come after its owner.
struct TaskLog {
  std::string title, rest;
  oci::LogFrames frames;
  std::uint64_t request = 0;
  bool ended = false;
};

bool has_started(const json& task);

// Prints "TITLE | LINE" for the last `tail` lines (-1: all), and with `go_on` for what comes, from
// EngineApi::poll.
std::shared_ptr<TaskLog> follow(oci::EngineApi& api, const json& task, const std::string& title,
                                Context& context, int tail, bool go_on);
// Waits a moment for the rest of a log whose container has ended.
void finish(oci::EngineApi& api, const std::shared_ptr<TaskLog>& log);
// The last lines, for evidence; "" when there are none, a note when they cannot be had.
std::string last_lines(oci::EngineApi& api, const json& task, int count);

}  // namespace slipway::swarm
