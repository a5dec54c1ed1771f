// The steps that run now: their threads, deadlines and attempts. The engine's thread only.
#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "run/step_setup.h"
#include "run/worker.h"

namespace slipway {

using SteadyTime = std::chrono::steady_clock::time_point;

struct Running {
  Prepared prepared;
  SteadyTime started{};
  std::optional<SteadyTime> deadline;  // of the attempt, or of its stopping
  bool asked_to_stop = false, timed_out = false;
  int attempt = 1;
  std::string last_text;  // of the progress shown last, and when
  SteadyTime last_shown{};
  std::shared_ptr<Job> job;
  std::jthread thread;

  Millis elapsed() const;
  void begin_attempt(int number, std::optional<Millis> timeout);
  void ask_to_stop(Millis grace);
  // Progress may come thousands of times a second: only news, at most ten times a second.
  bool worth_showing(const Progress& progress);
};

class RunningSteps {
 public:
  explicit RunningSteps(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~RunningSteps();  // asks all to stop and waits for them: only after an exception

  void start(Job job, Prepared prepared, std::optional<Millis> timeout);
  void start_waiting(Job job, Prepared prepared);
  void start_fingerprint(Job job, Prepared prepared);
  Running* find(StepId id);
  Running take(StepId id);    // after its last message: joins the thread
  Millis abandon(StepId id);  // lets the thread go on alone; how long it ran
  void stop_all(Millis grace);

  std::size_t count() const { return steps_.size(); }
  std::vector<StepId> ids() const;
  std::vector<StepId> past_deadline() const;
  // When the loop must look again: the first deadline, or after `at_least` when that is not zero.
  SteadyTime next_deadline(Millis at_least) const;

 private:
  using Body = void (*)(Job&, const std::shared_ptr<Shared>&, std::stop_token);
  Running& launch(Job job, Prepared prepared, Body body);

  std::shared_ptr<Shared> shared_;
  std::map<StepId, Running> steps_;
};

}  // namespace slipway
