#include "run/retry.h"

#include <condition_variable>
#include <mutex>

namespace slipway {

namespace {

constexpr Millis kLongestWait{60'000};

bool may_pass(const Attempt& attempt, const Retries& retries) {
  if (attempt.error) return attempt.error->is_retryable();
  return !retries.infra_only || attempt.outcome.infrastructure;
}

void wait_for(Millis span, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, span, [] { return false; });
}

}  // namespace

Attempt with_retries(const Retries& retries, Millis backoff, std::stop_token stop,
                     const std::function<Attempt(int)>& once) {
  for (int number = 1;; ++number) {
    Attempt attempt = once(number);
    if (attempt.ok() || number > retries.max || stop.stop_requested() || !may_pass(attempt, retries))
      return attempt;
    wait_for(std::min(kLongestWait, backoff * (1l << std::min(number - 1, 20))), stop);
    if (stop.stop_requested()) return attempt;
  }
}

}  // namespace slipway
