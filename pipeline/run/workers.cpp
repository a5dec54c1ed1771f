#include "run/workers.h"

namespace slipway {

struct Workers::Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> tasks;  // guarded by mutex, as is all below
  std::size_t idle = 0;
  bool closed = false;

  // The next task; nullopt when closed. Also says whose it is, before anybody can look for it in vain.
  std::optional<Task> next(std::atomic<std::int64_t>& step, const std::atomic<bool>& held) {
    std::unique_lock lock(mutex);
    step = -1;
    ++idle;
    changed.wait(lock, [&] { return closed || (!held && !tasks.empty()); });
    --idle;
    if (closed) return std::nullopt;
    Task task = std::move(tasks.front());
    tasks.pop_front();
    step = task.job->step;
    return task;
  }
};

Workers::Workers(std::shared_ptr<Shared> shared, std::size_t limit)
    : shared_(std::move(shared)), queue_(std::make_shared<Queue>()), limit_(limit) {}

Workers::~Workers() {
  {
    std::lock_guard lock(queue_->mutex);
    queue_->closed = true;
  }
  queue_->changed.notify_all();
}

void Workers::add(Task task) {
  if (task.apart) return start_apart(std::move(task));
  bool all_busy = false;
  {
    std::lock_guard lock(queue_->mutex);
    queue_->tasks.push_back(std::move(task));
    all_busy = queue_->idle < queue_->tasks.size();
  }
  if (all_busy && workers_.size() < limit_)
    start_one();
  else
    queue_->changed.notify_one();
}

void Workers::start_one() {
  auto step = std::make_shared<std::atomic<std::int64_t>>(-1);
  // Copies of all pointers go along: a lost thread outlives this object.
  std::jthread thread([step, queue = queue_, shared = shared_] {
    while (auto task = queue->next(*step, shared->held)) {
      Message begun{task->job->step, Message::Begun{std::chrono::steady_clock::now()}};
      if (task->worth_telling)
        shared->channel.push(std::move(begun));
      else
        shared->channel.push_quietly(std::move(begun));
      task->body(*task->job, shared, task->stop.get_token());
    }
  });
  workers_.push_back({std::move(step), std::move(thread)});
}

void Workers::start_apart(Task task) {
  auto step = std::make_shared<std::atomic<std::int64_t>>(task.job->step);
  std::jthread thread([task = std::move(task), shared = shared_] {
    shared->channel.push({task.job->step, Message::Begun{std::chrono::steady_clock::now()}});
    task.body(*task.job, shared, task.stop.get_token());
  });
  apart_.push_back({std::move(step), std::move(thread)});
}

bool Workers::withdraw(StepId step) {
  std::lock_guard lock(queue_->mutex);
  return std::erase_if(queue_->tasks, [&](const Task& task) { return task.job->step == step; }) > 0;
}

void Workers::go_on() {
  {
    std::lock_guard lock(queue_->mutex);
    shared_->held = false;
  }
  queue_->changed.notify_all();
}

void Workers::lose(StepId step) {
  for (auto* workers : {&workers_, &apart_}) {
    for (auto& worker : *workers) {
      if (*worker.step != static_cast<std::int64_t>(step)) continue;
      worker.thread.detach();
      std::swap(worker, workers->back());
      workers->pop_back();
      break;
    }
  }
  std::size_t waiting = 0;
  {
    std::lock_guard lock(queue_->mutex);
    waiting = queue_->tasks.size();
  }
  if (waiting && workers_.size() < limit_) start_one();
}

}  // namespace slipway
