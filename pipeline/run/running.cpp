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
  return begun ? std::chrono::duration_cast<Millis>(now() - started) : Millis(0);
}

void Running::begin(SteadyTime at) {
  begun = true;
  started = at;
}

void Running::begin_attempt(int number, SteadyTime at, std::optional<Millis> timeout) {
  attempt = number;
  if (!asked_to_stop) deadline = timeout ? std::optional(at + *timeout) : std::nullopt;
}

void Running::ask_to_stop(Millis grace) {
  asked_to_stop = true;
  deadline = now() + grace;
  stop.request_stop();
}

bool Running::worth_showing(const Progress& progress) {
  const bool whole = progress.total > 0 && progress.current == progress.total;
  if (progress.text == last_text && !whole && now() - last_shown < kProgressEvery) return false;
  last_text = progress.text;
  last_shown = now();
  return true;
}

RunningSteps::RunningSteps(std::shared_ptr<Shared> shared, std::size_t limit)
    : shared_(std::move(shared)), workers_(shared_, limit) {}

RunningSteps::~RunningSteps() {
  // A step that waits until its logs are read would never end.
  shared_->channel.close();
  shared_->log_bytes = 0;
  shared_->log_bytes.notify_all();
  for (auto& [id, running] : steps_) running.stop.request_stop();
}

void RunningSteps::start(Running::Work work, Job job, Prepared prepared) {
  constexpr Task::Body bodies[] = {run_job, wait_job, fingerprint_job};
  auto& running = steps_[job.step];
  running.work = work;
  running.prepared = std::move(prepared);
  running.waits = job.waits;
  waiting_ += running.waits;
  workers_.add({bodies[static_cast<std::size_t>(work)], std::make_shared<Job>(std::move(job)), running.stop,
                work != Running::Work::fingerprint, running.waits});
}

Running* RunningSteps::find(StepId id) {
  const auto it = steps_.find(id);
  return it == steps_.end() ? nullptr : &it->second;
}

Running RunningSteps::take(StepId id) {
  auto running = std::move(steps_.extract(id).mapped());
  waiting_ -= running.waits;
  return running;
}

Millis RunningSteps::abandon(StepId id) {
  auto running = take(id);
  running.stop.request_stop();
  workers_.lose(id);
  return running.elapsed();
}

std::vector<std::pair<StepId, Running>> RunningSteps::withdraw() {
  std::vector<std::pair<StepId, Running>> out;
  for (auto id : ids())
    if (!find(id)->begun && workers_.withdraw(id)) out.emplace_back(id, take(id));
  return out;
}

void RunningSteps::stop_all(Millis grace) {
  for (auto& [id, running] : steps_)
    if (!running.asked_to_stop) running.ask_to_stop(grace);
}

void RunningSteps::stop_waiting(Millis grace) {
  for (auto& [id, running] : steps_)
    if (running.waits && !running.asked_to_stop) running.ask_to_stop(grace);
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
