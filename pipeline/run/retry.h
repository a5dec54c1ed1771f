// Trying again: wraps one attempt of a step, knows nothing of plugins.
#pragma once
#include <functional>
#include <optional>
#include <stop_token>

#include "base/clock.h"
#include "plan/plan.h"
#include "plugin/plugin.h"

namespace slipway {

// What one attempt came to: an outcome, or the reason why there is none.
struct Attempt {
  Outcome outcome;             // when there is no error
  std::optional<Error> error;  // cannot go on
  bool ok() const { return !error && outcome.ok; }
};

// Calls `once(1)`, and `once(2)`… while the fault may pass by itself and `retries.max` allows: an Error that
// is retryable, or an outcome marked infrastructure; with `infra_only` off any failed outcome. Waits
// `backoff` × 2^n (at most a minute) between; a stop request ends the wait and the trying. The step's thread.
Attempt with_retries(const Retries& retries, Millis backoff, std::stop_token stop,
                     const std::function<Attempt(int number)>& once);

}  // namespace slipway
