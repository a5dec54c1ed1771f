// The steps handed to the workers: which have begun, their deadlines and attempts. The engine's thread only.
#pragma once
#include <chrono>
#include <map>
#include <optional>

#include "run/step_setup.h"
#include "run/workers.h"

namespace slipway {

using SteadyTime = std::chrono::steady_clock::time_point;

struct Running {
  enum class Work { run, wait_for_key, fingerprint };
  Work work = Work::run;
  Prepared prepared;
  bool waits = false;  // and does no work
  bool begun = false;
  SteadyTime started{};
  std::optional<SteadyTime> deadline;  // of the attempt, or of its stopping
  bool asked_to_stop = false, timed_out = false;
  int attempt = 1;
  std::string last_text;  // of the progress shown last, and when
  SteadyTime last_shown{};
  std::stop_source stop;

  Millis elapsed() const;
  void begin(SteadyTime at);
  void begin_attempt(int number, SteadyTime at, std::optional<Millis> timeout);
  void ask_to_stop(Millis grace);
  // Progress may come thousands of times a second: only news, at most ten times a second.
  bool worth_showing(const Progress& progress);
};

class RunningSteps {
 public:
  RunningSteps(std::shared_ptr<Shared> shared, std::size_t limit);
  ~RunningSteps();  // asks all to stop and waits for them: only after an exception

  void start(Running::Work work, Job job, Prepared prepared);
  Running* find(StepId id);
  Running take(StepId id);    // after its last message
  Millis abandon(StepId id);  // lets it go on alone; how long it ran
  void stop_all(Millis grace);
  void stop_waiting(Millis grace);  // those that only wait (ActionInfo::waits)
  // Takes back every step that has not begun.
  std::vector<std::pair<StepId, Running>> withdraw();
  void go_on() { workers_.go_on(); }

  std::size_t count() const { return steps_.size() - waiting_; }  // without those that only wait
  std::vector<StepId> ids() const;
  std::vector<StepId> past_deadline() const;
  // When the loop must look again: the first deadline, or after `at_least` when that is not zero.
  SteadyTime next_deadline(Millis at_least) const;

 private:
  std::shared_ptr<Shared> shared_;
  std::map<StepId, Running> steps_;
  std::size_t waiting_ = 0;  // of them, those that only wait
  Workers workers_;
};

}  // namespace slipway
