// A plugin whose steps do what a test says, plans made by hand, and runs whose events are kept.
#pragma once
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "plugin/registry.h"
#include "report/fold.h"
#include "run/cache.h"
#include "run/engine.h"
#include "sys/files.h"

namespace slipway::test {

// Steps by name; one that is not listed succeeds with {"made": NAME}. Counts every run.
struct FakeWork {
  using Body = std::function<Outcome(const Invocation&, Context&)>;
  std::map<std::string, Body> bodies;
  std::function<json(const Invocation&)> fingerprint;
  int runs_of(const std::string& step) const;
  int all_runs() const;
  void note(const std::string& step);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> runs_;  // guarded by mutex_
};

// Actions: "make" (cacheable, quick fingerprint), "slow" (cacheable, slow fingerprint), "act" (not
// cacheable), "wait" (not cacheable, does no work). Param `where` does not join the key. Secret "token" is
// declared.
void add_fake_plugin(Plugins& plugins, FakeWork& work, std::string version = "1");

// Waits for something that a test's other thread does, never longer than 20 s.
class Gate {
 public:
  void open();
  bool wait();                             // false: not in time
  bool wait(const std::stop_token& stop);  // also ends, with false, when stop is requested

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
};

struct PlanMaker {
  Plan plan;
  explicit PlanMaker(const fs::path& project);
  // Needs by name. Returns the step for more settings.
  Step& step(const std::string& name, const std::vector<std::string>& needs = {},
             json params = json::object(), const std::string& action = "make");
};

struct FakeRun {
  TempDir dir{fs::temp_directory_path(), "slipway-run-"};
  Dirs dirs{dir.path() / "cache", dir.path() / "state"};
  FakeWork work;
  Plugins plugins;
  PlanMaker plan{dir.path()};
  EngineOptions options;
  std::stop_source stop, kill;
  std::function<void(const Event&)> on_event;

  std::vector<Event> events;  // of the last run
  Report report;
  RunFinished finished;

  FakeRun();
  void run();
  Result result_of(const std::string& step) const;
  const StepReport& step(const std::string& name) const;
  // "step.started build.a", "step.finished build.a success", … without logs.
  std::vector<std::string> story() const;
};

}  // namespace slipway::test
