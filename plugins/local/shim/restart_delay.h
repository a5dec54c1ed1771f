// How long a replica waits before it is started again: twice as long after each exit of a row, up to a
// minute. An exit after a good life is news, not one of a row.
#pragma once
#include <algorithm>
#include <chrono>

namespace slipway::local {

class RestartDelay {
 public:
  using Span = std::chrono::milliseconds;

  explicit RestartDelay(Span first) : first_(first), next_(first) {}

  // To be asked once an exit; `lived` is how long the replica ran.
  Span after(Span lived) {
    if (lived > kGoodLife) next_ = first_;
    const auto out = std::min(next_, kLongest);
    next_ = std::min(out * 2, kLongest);
    return out;
  }

 private:
  static constexpr Span kLongest = std::chrono::minutes(1);
  static constexpr Span kGoodLife = std::chrono::minutes(10);

  Span first_, next_;
};

}  // namespace slipway::local
