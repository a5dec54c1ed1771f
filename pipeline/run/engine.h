// Runs a Plan: one loop owns all state, each running step has a thread, events come back over a channel.
#pragma once
#include <filesystem>
#include <stop_token>
#include <string>

#include "plan/plan.h"
#include "plugin/registry.h"
#include "run/event.h"
#include "sys/files.h"

namespace slipway {

class StepCache;  // run/cache.h

struct EngineOptions {
  unsigned jobs = 0;        // running steps at most; 0: number of processors
  bool keep_going = false;  // after a failure run what does not depend on it
  bool no_cache = false;    // run everything, still store results
  Dirs dirs;
  std::string run_id;
  std::vector<std::string> argv;  // for run.started
};

// Runs to the end on the calling thread. `sink` hears every event. The first request on `stop` cancels
// running steps and starts no new ones; a request on `kill` abandons them. Every started step is finished in
// the events. The Report is fold(events) (report/fold.h); this returns the run's own last event.
RunFinished run_plan(const Plan& plan, Plugins& plugins, StepCache& cache, const EngineOptions& options,
                     const EventSink& sink, std::stop_token stop, std::stop_token kill = {});

}  // namespace slipway
