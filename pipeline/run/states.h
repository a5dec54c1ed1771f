// The states of a step, and the one way to change them.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "plan/plan.h"

namespace slipway {

//     waiting ─→ ready ─→ running ─→ succeeded | failed
//                  │  ←──────┘  (another process made the same thing: decide again)
//                  └─→ succeeded (cached) | failed (cannot start) | skipped
enum class StepState { waiting, ready, running, succeeded, failed, skipped };

constexpr std::string_view to_string(StepState state) {
  constexpr std::array<std::string_view, 6> names = {"waiting",   "ready",  "running",
                                                     "succeeded", "failed", "skipped"};
  return names[static_cast<std::size_t>(state)];
}

constexpr bool is_final(StepState state) {
  return state >= StepState::succeeded;
}

constexpr bool may_follow(StepState from, StepState to) {
  switch (from) {
    case StepState::waiting:
      return to == StepState::ready || to == StepState::skipped;
    case StepState::ready:
      return to == StepState::running || is_final(to);
    case StepState::running:
      return to == StepState::ready || to == StepState::succeeded || to == StepState::failed;
    default:
      return false;
  }
}

// The state of every step of one plan. The engine's thread only.
class StepStates {
 public:
  explicit StepStates(std::size_t count) : states_(count, StepState::waiting) { counts_[0] = count; }

  StepState operator[](StepId id) const { return states_[id]; }
  std::size_t count(StepState state) const { return counts_[static_cast<std::size_t>(state)]; }
  bool all_final() const {
    return count(StepState::waiting) + count(StepState::ready) + count(StepState::running) == 0;
  }

  // Throws Error(internal) when `to` may not follow.
  void set(StepId id, StepState to) {
    auto& state = states_[id];
    if (!may_follow(state, to)) {
      throw Error(ExitCode::internal,
                  fmt::format("step {} cannot go from {} to {}", id, to_string(state), to_string(to)));
    }
    --counts_[static_cast<std::size_t>(state)];
    ++counts_[static_cast<std::size_t>(to)];
    state = to;
  }

 private:
  std::vector<StepState> states_;
  std::array<std::size_t, 6> counts_{};
};

}  // namespace slipway
