// What a run of a plan would do now, found out without running anything.
#pragma once
#include <stop_token>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "plugin/registry.h"
#include "run/cache.h"
#include "run/engine.h"
#include "run/secrets.h"

namespace slipway {

struct Forecast {
  enum class Will { run, reuse, look };  // look: it only looks at the world, as sources do
  StepId step = 0;
  Will will = Will::run;
  json reason;  // as cache decisions have it (plan/explain.h); {"why": "needs", "step": NAME}: it depends on
                // one that runs; {"why": "always"}: it has no key
  std::vector<std::string> lines;  // the plugin's own preview
  json preview = json::object();   // all of it
};

// In the plan's order. Asks plugins for fingerprints and previews only. A preview may hold "outputs" (then
// what depends on them is foretold too), "changes" (false: it would do nothing) and "lines". With `secrets`,
// previews are given those that their step may see.
std::vector<Forecast> forecast(const Plan& plan, Plugins& plugins, StepCache& cache,
                               const EngineOptions& options, std::stop_token stop,
                               Secrets* secrets = nullptr);

// Why, in a few words: "first run", "needs build.users", "context_id changed".
std::string summarize(const Forecast& forecast);

}  // namespace slipway
