#include "run/engine.h"

#include <atomic>
#include <deque>
#include <random>

#include "plan/explain.h"
#include "run/cache.h"
#include "run/running.h"
#include "run/states.h"
#include "run/step_setup.h"

namespace slipway {

namespace {

std::atomic<bool> abandoned_any{false};

std::string random_hex(int bytes) {
  std::random_device device;
  std::string out;
  for (int i = 0; i < bytes; ++i) out += fmt::format("{:02x}", device() & 0xff);
  return out;
}

// How a step went, as far as the steps that need it care.
struct Ending {
  json outputs = json::object();
  std::string key;
  bool good = false;   // succeeded, or failed and ignored
  bool ok = false;     // has outputs
  bool fault = false;  // it or something it needs failed: what `if: failure()` looks at
  std::int64_t at = 0;
};

class Engine {
 public:
  Engine(const Plan& plan, Plugins& plugins, StepCache& cache, const EngineOptions& options,
         const EventSink& sink, std::stop_token stop, std::stop_token kill)
      : plan_(plan),
        cache_(cache),
        options_(options),
        sink_(sink),
        stop_(std::move(stop)),
        kill_(std::move(kill)),
        setup_(plan, plugins, options),
        shared_(std::make_shared<Shared>(plan, setup_.work(), setup_.reports())),
        states_(plan.steps.size()),
        pending_(plan.steps.size()),
        dependents_(plan.steps.size()),
        endings_(plan.steps.size()),
        running_(shared_, setup_.jobs()) {
    for (const auto& step : plan.steps) {
      by_name_.emplace(step.name, step.id);
      pending_[step.id] = step.needs.size();
      for (auto need : step.needs) dependents_[need].push_back(step.id);
    }
  }

  RunFinished run() {
    started_ = now_micros();
    emit_start();
    // A stop request only wakes the loop: everything else happens on this thread.
    auto wake = [this] { shared_->channel.push({0, Message::Wake{}}); };
    std::stop_callback on_stop(stop_, wake), on_kill(kill_, wake);
    for (const auto& step : plan_.steps)
      if (pending_[step.id] == 0) make_ready(step.id);
    while (!states_.all_final()) {
      heed_requests();
      decide_ready();
      launch_waiting();
      if (states_.all_final()) break;
      settle();
      auto message = shared_->channel.pop_until(running_.next_deadline(options_.idle_every));
      if (message) handle(*message);
      for (auto& more : shared_->channel.drain()) handle(more);
      heed_deadlines();
    }
    return finish_run();
  }

 private:
  // ---- events ----

  void emit(const Step* step, Event::Body body, int attempt = 1) {
    Event event;
    event.seq = seq_++;
    event.ts = now_micros();
    event.run = options_.run_id;
    if (step) event.step = step->name;
    event.attempt = attempt;
    event.body = std::move(body);
    sink_(event);
  }

  void emit_start() {
    emit(nullptr,
         RunStarted{plan_.name, plan_.environment, options_.argv, options_.git, random_hex(16), options_.ci});
    RunPlan announced;
    for (const auto& step : plan_.steps) {
      json entry = {{"name", step.name}, {"phase", step.phase}, {"uses", step.uses}, {"action", step.action}};
      if (setup_.waits(step)) entry["waits"] = true;
      announced.steps.push_back(std::move(entry));
      for (auto need : step.needs) announced.edges.push_back({plan_.steps[need].name, step.name});
    }
    emit(nullptr, std::move(announced));
  }

  // What happened so far becomes safe from a kill, and seen.
  void settle() {
    cache_.commit();
    held_locks_.clear();  // other processes now find the outcome
    if (options_.on_idle) options_.on_idle();
  }

  // ---- from waiting to running ----

  void make_ready(StepId id) {
    states_.set(id, StepState::ready);
    ready_.push_back(id);
  }

  void decide_ready() {
    while (!ready_.empty()) {
      const StepId id = ready_.front();
      ready_.pop_front();
      decide(plan_.steps[id]);
    }
  }

  // Why a step that is ready is not to run; "" when it is.
  std::string reason_to_skip(const Step& step) const {
    if (stopping_) return "the run was stopped before it";
    bool all_good = true, any_fault = false;
    const Step* bad = nullptr;
    for (auto need : step.needs) {
      any_fault |= endings_[need].fault;
      if (endings_[need].good) continue;
      all_good = false;
      if (!bad) bad = &plan_.steps[need];
    }
    if (step.when == When::always) return {};
    if (step.when == When::failure) return any_fault ? "" : "nothing it watches failed";
    if (!all_good) {
      const bool skipped = states_[bad->id] == StepState::skipped;
      return fmt::format("needs `{}`, which {}", bad->name, skipped ? "did not run" : "failed");
    }
    if (first_failure_ && !options_.keep_going)
      return fmt::format("not started after `{}` failed", first_failure_->name);
    return {};
  }

  void decide(const Step& step) {
    if (auto why = reason_to_skip(step); !why.empty()) return skip(step, why);
    try {
      auto prepared = setup_.prepare(step, [this](const std::string& name) -> const json* {
        const auto other = by_name_.find(name);
        return other != by_name_.end() && endings_[other->second].ok ? &endings_[other->second].outputs
                                                                     : nullptr;
      });
      if (!prepared.cacheable) {
        if ((step.phase == "step" || step.phase == "approval") && done_before(step, prepared)) return;
        return queue(step, std::move(prepared));
      }
      if (prepared.action->slow_fingerprint) {
        prepared.wants_fingerprint = true;
        return queue(step, std::move(prepared));
      }
      auto context = make_context(step.id, shared_, stop_);
      const json fingerprint = prepared.plugin->fingerprint(prepared.invocation, *context);
      prepared.key = step_key(prepared.plugin->info(), *prepared.action, prepared.invocation.params, step.env,
                              fingerprint);
      if (!reuse(step, prepared)) queue(step, std::move(prepared));
    } catch (const Error& e) {
      finish_with_error(step, e, Millis(0));
    }
  }

  // Finishes the step from the cache, when that is allowed and it is there.
  bool reuse(const Step& step, const Prepared& prepared) {
    if (options_.no_cache) return false;
    auto cached = cache_.lookup(prepared.key.hash, prepared.action->outputs);
    if (!cached) return false;
    emit(&step, CacheDecision{true,
                              prepared.key.hash,
                              {{"why", "same"}, {"from", cached->run}, {"ms", cached->took.count()}}});
    StepFinished finished;
    finished.cached = true;
    finished.outputs = std::move(cached->outputs);
    endings_[step.id].key = prepared.key.hash;
    end(step, StepState::succeeded, std::move(finished));
    return true;
  }

  // Has no place in the cache, but its key tells a resumed run whether it is the same step. The run being
  // resumed says whether it was done.
  bool done_before(const Step& step, const Prepared& prepared) {
    const auto key =
        step_key(prepared.plugin->info(), *prepared.action, prepared.invocation.params, step.env, nullptr);
    endings_[step.id].key = key.hash;
    const auto done = options_.done.find(step.name);
    if (done == options_.done.end() || done->second.key != key.hash) return false;
    emit(&step, CacheDecision{true, key.hash, {{"why", "done"}, {"from", done->second.run}}});
    StepFinished finished;
    finished.cached = true;
    finished.outputs = done->second.outputs;
    end(step, StepState::succeeded, std::move(finished));
    return true;
  }

  json reason_for_running(const Step& step, const Prepared& prepared) {
    if (options_.no_cache) return {{"why", "refused"}};
    const auto last = cache_.last_time(setup_.project(), step.name);
    if (!last) return {{"why", "first"}};
    if (last->hash == prepared.key.hash) return {{"why", last->ok ? "gone" : "failed"}, {"from", last->run}};
    return explain_difference(last->parts, prepared.key.parts, last->run);
  }

  void queue(const Step& step, Prepared prepared) {
    // Nothing to wait for: it takes nobody's place.
    if (setup_.waits(step)) return try_launch(step, std::move(prepared));
    queued_.push_back({step.id, std::move(prepared)});
    launch_waiting();
  }

  // Twice as many steps are handed over as may run: a worker that is free goes on without waiting for us.
  // More of those that only want a fingerprint: most are done in less time than it takes to wake a thread.
  void launch_waiting() {
    while (!queued_.empty()) {
      const std::size_t ahead = queued_.front().second.wants_fingerprint ? 8 : 2;
      if (running_.count() >= ahead * setup_.jobs()) return;
      auto [id, prepared] = std::move(queued_.front());
      queued_.pop_front();
      try_launch(plan_.steps[id], std::move(prepared));
    }
  }

  void try_launch(const Step& step, Prepared prepared) {
    try {
      launch(step, std::move(prepared));
    } catch (const Error& e) {  // its folders or its lock
      finish_with_error(step, e, Millis(0));
    }
  }

  void launch(const Step& step, Prepared prepared) {
    if (auto why = reason_to_skip(step); !why.empty()) return skip(step, why);
    auto job = setup_.job(step, prepared);
    auto work = Running::Work::run;
    if (prepared.wants_fingerprint) {
      work = Running::Work::fingerprint;
    } else if (!prepared.key.hash.empty()) {
      if (auto lock = KeyLock::try_lock(job.lock_dir, job.lock_hash)) {
        // Another process may have stored the outcome and let the key go since we looked.
        cache_.refresh();
        if (reuse(step, prepared)) return;
        job.lock = std::move(*lock);
      } else {
        work = Running::Work::wait_for_key;
      }
    }
    running_.start(work, std::move(job), std::move(prepared));
  }

  // A worker has taken the step.
  void on_begun(const Step& step, Running& running, SteadyTime at) {
    states_.set(step.id, StepState::running);
    running.begin(at);
    const auto& key = running.prepared.key.hash;
    switch (running.work) {
      case Running::Work::fingerprint:
        return;
      case Running::Work::wait_for_key:
        // The same is being made, by another process or by another step of this run.
        emit(&step, StepStarted{});
        return emit(&step, StepProgress{"the same is being made: waiting for it", 0, 0, ""});
      case Running::Work::run:
        running.begin_attempt(1, at, step.timeout);
        if (!key.empty())
          emit(&step, CacheDecision{false, key, reason_for_running(step, running.prepared)});
        else if (!endings_[step.id].key.empty())
          emit(&step, CacheDecision{false, endings_[step.id].key, {{"why", "off"}}});
        emit(&step, StepStarted{});
    }
  }

  // Looks again at the steps that were handed over and have not begun, and lets the workers go on.
  void reconsider() {
    auto withdrawn = running_.withdraw();
    for (auto it = withdrawn.rbegin(); it != withdrawn.rend(); ++it) {
      const Step& step = plan_.steps[it->first];
      if (auto why = reason_to_skip(step); !why.empty())
        skip(step, why);
      else
        queued_.push_front({step.id, std::move(it->second.prepared)});
    }
    // Nobody is asked for what will not be done.
    if (first_failure_ && !options_.keep_going) running_.stop_waiting(options_.stop_grace);
    running_.go_on();
  }

  // ---- messages ----

  void handle(Message& message) {
    const Step& step = plan_.steps[message.step];
    if (std::holds_alternative<Message::Wake>(message.body)) return;
    if (auto* log = std::get_if<Message::Log>(&message.body)) {
      shared_->log_bytes -= log->text.size();
      shared_->log_bytes.notify_all();
      if (states_[step.id] == StepState::running || states_[step.id] == StepState::ready)
        emit(&step, StepLog{std::move(log->text), log->error_stream});
      return;
    }
    Running* running = running_.find(step.id);
    if (!running) {  // abandoned
      if (std::holds_alternative<Message::Finished>(message.body)) running_.go_on();
      return;
    }
    if (auto* begun = std::get_if<Message::Begun>(&message.body)) {
      on_begun(step, *running, begun->at);
    } else if (auto* progress = std::get_if<Progress>(&message.body)) {
      if (running->worth_showing(*progress))
        emit(&step, StepProgress{progress->text, progress->current, progress->total, progress->unit},
             running->attempt);
    } else if (auto* fact = std::get_if<Message::Fact>(&message.body)) {
      emit(&step, Fact{std::move(fact->kind), std::move(fact->data)}, running->attempt);
    } else if (auto* attempt = std::get_if<Message::AttemptStarted>(&message.body)) {
      running->begin_attempt(attempt->number, std::chrono::steady_clock::now(), step.timeout);
      emit(&step, StepStarted{}, attempt->number);
    } else if (auto* fingerprinted = std::get_if<Message::Fingerprinted>(&message.body)) {
      on_fingerprint(step, running_.take(step.id), *fingerprinted);
      if (fingerprinted->error) reconsider();
    } else if (std::holds_alternative<Message::Waited>(message.body)) {
      on_waited(step, running_.take(step.id));
    } else if (auto* finished = std::get_if<Message::Finished>(&message.body)) {
      const bool ok = finished->attempt.ok();
      on_finished(step, running_.take(step.id), *finished);
      if (!ok) reconsider();
    }
  }

  void on_fingerprint(const Step& step, Running ended, const Message::Fingerprinted& answer) {
    states_.set(step.id, StepState::ready);
    if (answer.error) return finish_with_error(step, *answer.error, ended.elapsed());
    ended.prepared.wants_fingerprint = false;
    ended.prepared.key = step_key(ended.prepared.plugin->info(), *ended.prepared.action,
                                  ended.prepared.invocation.params, step.env, answer.value);
    if (!reuse(step, ended.prepared)) queued_.push_front({step.id, std::move(ended.prepared)});
  }

  // Another process held the key. It most likely stored what we want.
  void on_waited(const Step& step, Running ended) {
    states_.set(step.id, StepState::ready);
    cache_.refresh();
    if (!reuse(step, ended.prepared)) queued_.push_front({step.id, std::move(ended.prepared)});
  }

  void on_finished(const Step& step, Running ended, Message::Finished& answer) {
    const auto took = ended.elapsed();
    auto& attempt = answer.attempt;
    const auto& key = ended.prepared.key;
    if (!key.hash.empty()) {
      endings_[step.id].key = key.hash;
      cache_.remember(setup_.project(), step.name, key, options_.run_id, attempt.ok());
      if (attempt.ok()) {
        cache_.store(key.hash, {attempt.outcome.outputs, options_.run_id, now_micros(), took});
        held_locks_.push_back(std::move(answer.lock));
      }
    }
    StepFinished finished;
    finished.took = took;
    if (attempt.ok()) {
      finished.outputs = std::move(attempt.outcome.outputs);
      return end(step, StepState::succeeded, std::move(finished), ended.attempt);
    }
    if (ended.timed_out) {
      finished.result = Result::timeout;
      finished.exit = static_cast<int>(ExitCode::timeout);
      finished.message = fmt::format("took longer than {}", format_duration(*step.timeout));
      finished.detail = attempt.error ? attempt.error->detail() : attempt.outcome.detail;
      return end(step, StepState::failed, std::move(finished), ended.attempt);
    }
    if (stopping_) {
      finished.result = Result::cancellation;
      finished.exit = static_cast<int>(ExitCode::interrupted);
      finished.message = "stopped";
      return end(step, StepState::failed, std::move(finished), ended.attempt);
    }
    if (ended.asked_to_stop && first_failure_) {
      finished.result = Result::cancellation;
      finished.exit = static_cast<int>(ExitCode::interrupted);
      finished.message = fmt::format("no longer waited for after `{}` failed", first_failure_->name);
      return end(step, StepState::failed, std::move(finished), ended.attempt);
    }
    if (attempt.error) return finish_with_error(step, *attempt.error, took, ended.attempt);
    finished.result = Result::failure;
    finished.exit = attempt.outcome.exit_code;
    finished.message = std::move(attempt.outcome.failure);
    finished.detail = std::move(attempt.outcome.detail);
    finished.where = attempt.outcome.where.known() ? attempt.outcome.where : step.where;
    finished.outputs = std::move(attempt.outcome.outputs);
    end(step, StepState::failed, std::move(finished), ended.attempt);
  }

  // ---- ends ----

  void finish_with_error(const Step& step, const Error& error, Millis took, int attempt = 1) {
    StepFinished finished;
    finished.result = error.code() == ExitCode::timeout ? Result::timeout : Result::error;
    finished.took = took;
    finished.exit = static_cast<int>(error.code());
    finished.message = error.message();
    std::string trail;
    for (const auto& line : error.trail()) trail += ", " + line;
    finished.message.insert(std::min(finished.message.find('\n'), finished.message.size()), trail);
    finished.detail = error.detail();
    finished.hint = error.hint();
    finished.where = error.where().known() ? error.where() : step.where;
    end(step, StepState::failed, std::move(finished), attempt);
  }

  void skip(const Step& step, const std::string& why) {
    StepFinished finished;
    finished.result = Result::skip;
    finished.message = why;
    end(step, StepState::skipped, std::move(finished));
  }

  void end(const Step& step, StepState state, StepFinished finished, int attempt = 1) {
    auto& ending = endings_[step.id];
    ending.at = now_micros();
    ending.ok = state == StepState::succeeded;
    ending.good = ending.ok || (state == StepState::failed && step.continue_on_error);
    ending.fault = state == StepState::failed;
    for (auto need : step.needs) ending.fault |= endings_[need].fault;
    if (ending.ok) ending.outputs = finished.outputs;
    finished.ignored = state == StepState::failed && step.continue_on_error;
    if (state == StepState::failed && !finished.ignored) note_failure(step, finished);
    states_.set(step.id, state);
    emit(&step, std::move(finished), attempt);
    for (auto dependent : dependents_[step.id])
      if (--pending_[dependent] == 0) make_ready(dependent);
  }

  void note_failure(const Step& step, const StepFinished& finished) {
    const auto worse = [](int exit) {
      return exit == static_cast<int>(ExitCode::degraded)      ? 2
             : exit == static_cast<int>(ExitCode::rolled_back) ? 1
                                                               : 0;
    };
    if (finished.result == Result::cancellation) return;  // the run's own result says it
    if (!first_failure_) {
      first_failure_ = &step;
      result_ = finished.result;
      exit_ = finished.exit;
    } else if (worse(finished.exit) > worse(exit_)) {
      exit_ = finished.exit;
    }
  }

  // ---- requests and deadlines ----

  void heed_requests() {
    if ((stop_.stop_requested() || kill_.stop_requested()) && !stopping_) {
      stopping_ = true;
      reconsider();
      running_.stop_all(options_.stop_grace);
    }
    if (kill_.stop_requested()) abandon_all();
    if (!stopping_) return;
    for (auto& [id, prepared] : std::exchange(queued_, {}))
      skip(plan_.steps[id], "the run was stopped before it");
  }

  void abandon_all() {
    for (auto id : running_.ids())
      abandon(id, Result::cancellation, ExitCode::interrupted, "stopped, and left alone before it ended");
  }

  void heed_deadlines() {
    heed_requests();
    for (auto id : running_.past_deadline()) {
      Running& running = *running_.find(id);
      if (!running.asked_to_stop) {
        running.timed_out = true;
        running.ask_to_stop(options_.stop_grace);
      } else if (running.timed_out) {
        abandon(id, Result::timeout, ExitCode::timeout,
                fmt::format("took longer than {}, and did not stop when asked to",
                            format_duration(*plan_.steps[id].timeout)));
      } else {
        abandon(id, Result::cancellation, ExitCode::interrupted, "did not stop when asked to");
      }
    }
  }

  void abandon(StepId id, Result result, ExitCode code, std::string message) {
    abandoned_any = true;
    const auto took = running_.abandon(id);
    StepFinished finished;
    finished.result = result;
    finished.took = took;
    finished.exit = static_cast<int>(code);
    finished.message = std::move(message);
    end(plan_.steps[id], StepState::failed, std::move(finished));
  }

  // ---- the end ----

  std::vector<std::string> critical_path() const {
    std::vector<std::string> path;
    const Step* last = nullptr;
    for (const auto& step : plan_.steps)
      if (states_[step.id] != StepState::skipped && (!last || endings_[step.id].at > endings_[last->id].at))
        last = &step;
    while (last) {
      path.push_back(last->name);
      const Step* before = nullptr;
      for (auto need : last->needs)
        if (!before || endings_[need].at > endings_[before->id].at) before = &plan_.steps[need];
      last = before;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  RunFinished finish_run() {
    settle();
    RunFinished finished;
    finished.result = result_;
    finished.exit = exit_;
    if (stopping_ && !first_failure_) {
      finished.result = Result::cancellation;
      finished.exit = static_cast<int>(ExitCode::interrupted);
    }
    finished.took = std::chrono::duration_cast<Millis>(Micros(now_micros() - started_));
    finished.critical_path = critical_path();
    emit(nullptr, finished);
    if (options_.on_idle) options_.on_idle();
    shared_->scratch.clear();
    setup_.clean_up();
    return finished;
  }

  const Plan& plan_;
  StepCache& cache_;
  const EngineOptions& options_;
  const EventSink& sink_;
  std::stop_token stop_, kill_;
  StepSetup setup_;
  std::shared_ptr<Shared> shared_;
  StepStates states_;
  std::unordered_map<std::string, StepId> by_name_;
  std::vector<std::size_t> pending_;  // needs that have not ended
  std::vector<std::vector<StepId>> dependents_;
  std::vector<Ending> endings_;
  std::deque<StepId> ready_;
  std::deque<std::pair<StepId, Prepared>> queued_;  // decided to run, waiting for a free place
  std::vector<KeyLock> held_locks_;                 // until the outcome is committed
  std::uint64_t seq_ = 0;
  std::int64_t started_ = 0;
  bool stopping_ = false;
  const Step* first_failure_ = nullptr;
  Result result_ = Result::success;
  int exit_ = 0;
  RunningSteps running_;  // last: its threads end before the rest goes
};

}  // namespace

RunFinished run_plan(const Plan& plan, Plugins& plugins, StepCache& cache, const EngineOptions& options,
                     const EventSink& sink, std::stop_token stop, std::stop_token kill) {
  return Engine(plan, plugins, cache, options, sink, std::move(stop), std::move(kill)).run();
}

bool any_abandoned() {
  return abandoned_any;
}

}  // namespace slipway
