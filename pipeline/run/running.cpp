#include "run/running.h"

#include <limits>

namespace slipway {

namespace {

constexpr Millis kProgressEvery{100};

SteadyTime now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Millis Running::elapsed() const {
  return std::chrono::duration_cast<Millis>(now() - started);
}

void Running::begin_attempt(int number, std::optional<Millis> timeout) {
  attempt = number;
  if (!asked_to_stop) deadline = timeout ? std::optional(now() + *timeout) : std::nullopt;
}

void Running::ask_to_stop(Millis grace) {
  asked_to_stop = true;
  deadline = now() + grace;
  thread.request_stop();
}

bool Running::worth_showing(const Progress& progress) {
  const bool whole = progress.total > 0 && progress.current == progress.total;
  if (progress.text == last_text && !whole && now() - last_shown < kProgressEvery) return false;
  last_text = progress.text;
  last_shown = now();
  return true;
}

RunningSteps::~RunningSteps() {
  // A step that waits until its logs are read would never end.
  shared_->channel.close();
  shared_->log_bytes = 0;
  shared_->log_bytes.notify_all();
  for (auto& [id, running] : steps_) running.thread.request_stop();
}

Running& RunningSteps::launch(Job job, Prepared prepared, Body body) {
  const StepId id = job.step;
  auto& running = steps_[id];
  running.prepared = std::move(prepared);
  running.started = now();
  running.job = std::make_shared<Job>(std::move(job));
  // Copies of both pointers go along: an abandoned thread outlives this object.
  running.thread = std::jthread([body, job_of_thread = running.job, shared = shared_](std::stop_token stop) {
    body(*job_of_thread, shared, std::move(stop));
  });
  return running;
}

void RunningSteps::start(Job job, Prepared prepared, std::optional<Millis> timeout) {
  launch(std::move(job), std::move(prepared), run_job).begin_attempt(1, timeout);
}

void RunningSteps::start_waiting(Job job, Prepared prepared) {
  launch(std::move(job), std::move(prepared), wait_job);
}

void RunningSteps::start_fingerprint(Job job, Prepared prepared) {
  launch(std::move(job), std::move(prepared), fingerprint_job);
}

Running* RunningSteps::find(StepId id) {
  const auto it = steps_.find(id);
  return it == steps_.end() ? nullptr : &it->second;
}

Running RunningSteps::take(StepId id) {
  auto node = steps_.extract(id);
  node.mapped().thread.join();
  return std::move(node.mapped());
}

Millis RunningSteps::abandon(StepId id) {
  auto node = steps_.extract(id);
  auto& running = node.mapped();
  running.thread.request_stop();
  running.thread.detach();
  return running.elapsed();
}

void RunningSteps::stop_all(Millis grace) {
  for (auto& [id, running] : steps_)
    if (!running.asked_to_stop) running.ask_to_stop(grace);
}

std::vector<StepId> RunningSteps::ids() const {
  std::vector<StepId> out;
  for (const auto& [id, running] : steps_) out.push_back(id);
  return out;
}

std::vector<StepId> RunningSteps::past_deadline() const {
  std::vector<StepId> out;
  const auto time = now();
  for (const auto& [id, running] : steps_)
    if (running.deadline && *running.deadline <= time) out.push_back(id);
  return out;
}

SteadyTime RunningSteps::next_deadline(Millis at_least) const {
  // Far, but not so far that a conversion of clocks overflows.
  SteadyTime first = now() + (at_least.count() > 0 ? at_least : Millis(3'600'000));
  for (const auto& [id, running] : steps_)
    if (running.deadline) first = std::min(first, *running.deadline);
  return first;
}

}  // namespace slipway
