// Runs a Plan: one loop owns all state, steps run on worker threads, events come back over a channel.
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

// A step of an earlier run that is not to be done again.
struct DoneStep {
  std::string key, run;
  json outputs;
};

struct EngineOptions {
  unsigned jobs = 0;        // running steps at most; 0: number of processors
  bool keep_going = false;  // after a failure run what does not depend on it
  bool no_cache = false;    // run everything, still store results
  Dirs dirs;
  std::string run_id;
  std::vector<std::string> argv;  // for run.started, as are these
  json git = json::object();
  std::string ci;
  // By name: steps of the phases "step" (the user's own commands) and "approval" (somebody's word for these
  // very images), which have no key in the cache, that the run being resumed finished. One whose key is still
  // the same is not run again. Other steps without a key look at the world (a source, a registry, what runs)
  // and are asked again.
  std::map<std::string, DoneStep> done;
  Millis retry_backoff{1000};  // before the second attempt; doubles
  Millis stop_grace{30'000};   // a step that was asked to stop and does not is abandoned after it
  // Called on the engine's thread whenever it is about to wait, at least every `idle_every` (when not zero)
  // and at the end: who buffers writes out now, who animates draws. What it hears of is stored and safe from
  // a kill.
  std::function<void()> on_idle;
  Millis idle_every{0};  // read anew after each on_idle
};

// Runs to the end on the calling thread. `sink` hears every event. The first request on `stop` cancels
// running steps and starts no new ones; a request on `kill` abandons them. Every started step is finished in
// the events. The Report is fold(events) (report/fold.h); this returns the run's own last event. Unknown
// plugins, actions and wrong params throw Error(usage) before any work. Cached outcomes are looked up on this
// thread. When steps were abandoned their threads still run: leave with std::_Exit (see any_abandoned).
RunFinished run_plan(const Plan& plan, Plugins& plugins, StepCache& cache, const EngineOptions& options,
                     const EventSink& sink, std::stop_token stop, std::stop_token kill = {});

bool any_abandoned();  // by any run of this process

}  // namespace slipway
