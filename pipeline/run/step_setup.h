// From a Step to what its plugin is called with: plugin, action, resolved params, folders.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "plan/key.h"
#include "plan/plan.h"
#include "plugin/registry.h"
#include "run/engine.h"
#include "run/worker.h"

namespace slipway {

// A step whose needs have ended, ready to be looked up or run.
struct Prepared {
  Plugin* plugin = nullptr;
  const ActionInfo* action = nullptr;
  Invocation invocation;
  bool cacheable = false;          // the action is, and the step does not say `cache: false`
  bool wants_fingerprint = false;  // asked on the step's thread first
  StepKey key;                     // empty when not cacheable, or not known yet
};

// The secrets of a step that its action may be given.
std::vector<std::string> secrets_for(const Step& step, const ActionInfo& action);

class StepSetup {
 public:
  // Finds every plugin and action, and checks params that need no outputs: throws Error(usage) at the step's
  // place.
  StepSetup(const Plan& plan, Plugins& plugins, const EngineOptions& options);

  using OutputsOf = std::function<const json*(const std::string& step)>;
  // Throws Error when a reference has nothing to stand for, or the resolved params are wrong.
  Prepared prepare(const Step& step, const OutputsOf& outputs_of) const;
  Job job(const Step& step, const Prepared& prepared);
  // It does no work, only waits (ActionInfo::waits).
  bool waits(const Step& step) const;

  std::size_t jobs() const { return jobs_; }
  const std::string& project() const { return project_; }      // under which "the last time" is kept
  const std::filesystem::path& work() const { return work_; }  // of this run, as `reports`
  const std::filesystem::path& reports() const { return reports_; }
  void clean_up();  // removes both when they are empty

 private:
  struct Target {
    Plugin* plugin;
    const ActionInfo* action;
    bool checked;  // its params hold no reference
  };
  const Plan& plan_;
  const EngineOptions& options_;
  std::size_t jobs_;
  std::string project_;
  std::filesystem::path work_, reports_, locks_;
  bool made_folders_ = false;
  std::vector<Target> targets_;  // by step
};

}  // namespace slipway
