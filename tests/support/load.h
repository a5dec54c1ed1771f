// A client that asks one URL again and again, from several connections, and counts what came back.
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace slipway::test {

// Bounded: stops by itself after `limit` requests; the destructor stops it earlier.
class Load {
 public:
  // `pause`: after each answer, so that what answers has time for other things.
  Load(std::string url, int connections = 4, long limit = 500'000, Millis pause = Millis(0));
  ~Load() { stop(); }
  void stop();
  long answered() const { return answered_; }  // with status 200
  long failed() const { return failed_; }      // any other status, or none
  std::string first_failure() const;           // after stop()

 private:
  void ask(std::stop_token stop, const std::string& url, Millis pause);

  std::atomic<long> answered_{0}, failed_{0}, left_;
  mutable std::mutex mutex_;
  std::string first_failure_;  // guarded by mutex_
  std::vector<std::jthread> threads_;
};

}  // namespace slipway::test
