#include "run/worker.h"

#include "run/event.h"
#include "sys/files.h"

namespace slipway {

namespace {

constexpr std::size_t kMaxPartialLine = 16 << 10;
constexpr std::size_t kMaxQueuedLog = 8 << 20;
constexpr std::size_t kMaxStepLog = 64 << 20;

// One output stream: masked, and cut at line ends, so that consumers see whole lines.
class LineStream {
 public:
  explicit LineStream(const Masker& masker) : masker_(masker), mask_(masker) {}
  // What may go out now.
  std::string write(std::string_view text) {
    pending_ += masker_.empty() ? mask_.finish() + std::string(text) : mask_.write(text);
    const auto end = pending_.rfind('\n');
    if (end == std::string::npos && pending_.size() < kMaxPartialLine) return {};
    const std::size_t size = end == std::string::npos ? pending_.size() : end + 1;
    std::string out = pending_.substr(0, size);
    pending_.erase(0, size);
    return out;
  }
  std::string finish() { return std::exchange(pending_, {}) + mask_.finish(); }

 private:
  const Masker& masker_;
  MaskStream mask_;
  std::string pending_;
};

class StepContext : public Context {
 public:
  StepContext(StepId step, std::shared_ptr<Shared> shared, std::stop_token stop)
      : step_(step),
        shared_(std::move(shared)),
        stop_(std::move(stop)),
        out_(shared_->secrets.masker()),
        err_(shared_->secrets.masker()) {}
  ~StepContext() override { flush(); }

  void log(std::string_view text, bool error_stream) override {
    send((error_stream ? err_ : out_).write(text), error_stream);
  }
  void progress(const Progress& progress) override {
    Progress masked = progress;
    masked.text = shared_->secrets.masker().mask(progress.text);
    shared_->channel.push({step_, std::move(masked)});
  }
  void event(std::string_view kind, json data) override {
    if (!is_fact_kind(kind))
      throw Error(ExitCode::internal, fmt::format("the plugin sent an event of the unknown kind `{}`", kind));
    const auto& masker = shared_->secrets.masker();
    if (!masker.empty()) data = mask_json(masker, data);
    shared_->channel.push({step_, Message::Fact{std::string(kind), std::move(data)}});
  }
  std::stop_token stop() const override { return stop_; }

  void flush() {
    send(out_.finish(), false);
    send(err_.finish(), true);
  }

 private:
  void send(std::string text, bool error_stream) {
    if (text.empty() || cut_) return;
    sent_ += text.size();
    if (sent_ > kMaxStepLog) {
      cut_ = true;
      text =
          fmt::format("slipway: this step wrote more than {} MiB; the rest is left out\n", kMaxStepLog >> 20);
    }
    // Wait while the consumers are behind; an abandoned step is let through, its channel is closed.
    for (auto queued = shared_->log_bytes.load(); queued > kMaxQueuedLog; queued = shared_->log_bytes.load())
      shared_->log_bytes.wait(queued);
    shared_->log_bytes += text.size();
    const auto size = text.size();
    if (!shared_->channel.push({step_, Message::Log{std::move(text), error_stream}}))
      shared_->log_bytes -= size;
  }

  StepId step_;
  std::shared_ptr<Shared> shared_;
  std::stop_token stop_;
  LineStream out_, err_;
  std::size_t sent_ = 0;
  bool cut_ = false;
};

Error as_error(std::exception_ptr caught) {
  try {
    std::rethrow_exception(caught);
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error(ExitCode::unavailable, "there is not enough memory");
  } catch (const std::exception& e) {
    return Error(ExitCode::internal, fmt::format("internal error: {}", e.what())).hint("please report this");
  } catch (...) {
    return Error(ExitCode::internal, "internal error of an unknown kind").hint("please report this");
  }
}

Attempt attempt_once(Job& job, Shared& shared, Context& context) {
  Attempt attempt;
  std::optional<Scratch::Place> place;
  try {
    place = shared.scratch.take();
    job.invocation.work_dir = place->work;
    job.invocation.reports_dir = place->reports;
    attempt.outcome = job.preview ? foreseen(job.plugin->preview(job.invocation, context))
                                  : job.plugin->run(job.invocation, context);
  } catch (...) {
    attempt.error = as_error(std::current_exception());
  }
  try {
    if (place) shared.scratch.give_back(*place, job.invocation.step);
  } catch (...) {
    if (!attempt.error) attempt.error = as_error(std::current_exception());
  }
  return attempt;
}

void mask_attempt(Attempt& attempt, const Masker& masker) {
  if (masker.empty()) return;
  auto& outcome = attempt.outcome;
  outcome.failure = masker.mask(outcome.failure);
  outcome.detail = masker.mask(outcome.detail);
  outcome.outputs = mask_json(masker, outcome.outputs);
  if (!attempt.error) return;
  Error masked(attempt.error->code(), masker.mask(attempt.error->message()));
  masked.hint(masker.mask(attempt.error->hint())).detail(masker.mask(attempt.error->detail()));
  masked.at(attempt.error->where()).retryable(attempt.error->is_retryable());
  for (const auto& line : attempt.error->trail()) masked.trail(masker.mask(line));
  attempt.error = std::move(masked);
}

}  // namespace

Outcome foreseen(const json& preview) {
  const auto member = [&](const char* name, json otherwise) {
    return preview.is_object() && preview.contains(name) ? preview[name] : otherwise;
  };
  const bool changes = member("changes", true) != false || member("unsure", false) == true;
  return Outcome::success({{"lines", member("lines", json::array())}, {"changes", changes}});
}

std::unique_ptr<Context> make_context(StepId step, const std::shared_ptr<Shared>& shared,
                                      std::stop_token stop) {
  return std::make_unique<StepContext>(step, shared, std::move(stop));
}

void fingerprint_job(Job& job, const std::shared_ptr<Shared>& shared, std::stop_token stop) {
  Message::Fingerprinted answer;
  try {
    StepContext context(job.step, shared, stop);
    for (const auto& name : job.secrets)
      job.invocation.secrets.emplace(name, shared->secrets.get(name, stop));
    answer.value = job.plugin->fingerprint(job.invocation, context);
  } catch (...) {
    answer.error = as_error(std::current_exception());
  }
  if (answer.error) shared->held = true;
  shared->channel.push({job.step, std::move(answer)});
}

void wait_job(Job& job, const std::shared_ptr<Shared>& shared, std::stop_token stop) {
  try {
    KeyLock::wait_until_free(job.lock_dir, job.lock_hash, stop);
    shared->channel.push({job.step, Message::Waited{}});
  } catch (...) {
    Message::Finished finished;
    finished.attempt.error = as_error(std::current_exception());
    shared->held = true;
    shared->channel.push({job.step, std::move(finished)});
  }
}

void run_job(Job& job, const std::shared_ptr<Shared>& shared, std::stop_token stop) {
  Message::Finished finished;
  try {
    finished.lock = std::move(job.lock);
    for (const auto& name : job.secrets)
      job.invocation.secrets.emplace(name, shared->secrets.get(name, stop));
    StepContext context(job.step, shared, stop);
    finished.attempt = with_retries(job.retries, job.backoff, stop, [&](int number) {
      if (number > 1) shared->channel.push({job.step, Message::AttemptStarted{number}});
      auto attempt = attempt_once(job, *shared, context);
      context.flush();
      return attempt;
    });
  } catch (...) {
    finished.attempt.error = as_error(std::current_exception());
  }
  mask_attempt(finished.attempt, shared->secrets.masker());
  if (!finished.attempt.ok()) shared->held = true;
  shared->channel.push({job.step, std::move(finished)});
}

}  // namespace slipway
