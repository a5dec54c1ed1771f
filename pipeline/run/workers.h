// The threads that steps run on: each takes the next task by itself, so that between two steps nobody waits
// for the engine.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "run/worker.h"

namespace slipway {

struct Task {
  using Body = void (*)(Job& job, const std::shared_ptr<Shared>& shared, std::stop_token stop);
  Body body;
  std::shared_ptr<Job> job;
  std::stop_source stop;
  bool worth_telling = true;  // false: that it began may be told together with its end
  bool apart = false;         // it only waits: begins at once, on a thread of its own, beside the limit
};

// The engine's thread only. A step begins in the order of add(), at most `limit` at once (those apart do not
// count); its first message
// is Begun. After a failed one nothing begins until go_on().
class Workers {
 public:
  Workers(std::shared_ptr<Shared> shared, std::size_t limit);
  ~Workers();  // waits for the running tasks, which were asked to stop

  void add(Task task);
  // Takes back a task that has not begun; false when it has.
  bool withdraw(StepId step);
  void go_on();
  // Lets the thread that runs this step go on alone; another takes its place.
  void lose(StepId step);

 private:
  struct Queue;
  struct Worker {
    std::shared_ptr<std::atomic<std::int64_t>> step;  // that it runs; -1: none
    std::jthread thread;
  };
  void start_one();
  void start_apart(Task task);

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Queue> queue_;  // outlives us where a thread was lost
  std::size_t limit_;
  std::vector<Worker> workers_, apart_;
};

}  // namespace slipway
