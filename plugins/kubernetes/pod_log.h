// What a container writes, line by line as it comes.
#pragma once
#include <memory>
#include <string>

#include "plugin/plugin.h"
#include "plugins/kubernetes/generate.h"
#include "plugins/kubernetes/kinds.h"

namespace slipway::kubernetes {

// Lines of one container. Shared with the request that fills it, which may come after its owner.
struct PodLog {
  std::string title, rest;
  bool ended = false;
};

bool has_started(const json& pod);

// Prints "TITLE | LINE" for the last `tail` lines (-1: all) of the pod's first container, and with `go_on`
// for what comes, from Api::poll.
std::shared_ptr<PodLog> follow(Api& api, const Place& place, const json& pod, const std::string& title,
                               Context& context, int tail = -1, bool go_on = true);
// Waits a moment for the rest of a log whose container has ended.
void finish(Api& api, const std::shared_ptr<PodLog>& log);

}  // namespace slipway::kubernetes
