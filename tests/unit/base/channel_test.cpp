#include "base/channel.h"

#include <catch2/catch.hpp>
#include <thread>

using namespace slipway;

TEST_CASE("every value of every sender arrives once, each sender's in order", "[base]") {
  Channel<std::pair<int, int>> channel;
  {
    std::vector<std::jthread> senders;
    for (int s = 0; s < 4; ++s)
      senders.emplace_back([&channel, s] {
        for (int i = 0; i < 1000; ++i) channel.push({s, i});
      });
  }
  channel.close();
  std::vector<int> next(4, 0);
  int count = 0;
  while (auto value = channel.pop()) {
    CHECK(value->second == next[static_cast<std::size_t>(value->first)]++);
    ++count;
  }
  CHECK(count == 4000);
}

TEST_CASE("a closed channel takes nothing and wakes its receiver", "[base]") {
  Channel<int> channel;
  std::jthread receiver([&] { CHECK_FALSE(channel.pop().has_value()); });
  channel.close();
  CHECK_FALSE(channel.push(1));
}

TEST_CASE("waiting ends at the deadline", "[base]") {
  Channel<int> channel;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  CHECK_FALSE(channel.pop_until(deadline).has_value());
  CHECK(std::chrono::steady_clock::now() >= deadline);
}
