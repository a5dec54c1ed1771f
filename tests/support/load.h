// A client that asks one URL without pause, from several connections, and counts what came back.
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace slipway::test {

// Bounded: stops by itself after `limit` requests; the destructor stops it earlier.
class Load {
 public:
  Load(std::string url, int connections = 4, long limit = 500'000);
  ~Load() { stop(); }
  void stop();
  long answered() const { return answered_; }  // with status 200
  long failed() const { return failed_; }      // any other status, or none
  std::string first_failure() const;           // after stop()

 private:
  void ask(std::stop_token stop, const std::string& url);

  std::atomic<long> answered_{0}, failed_{0}, left_;
  mutable std::mutex mutex_;
  std::string first_failure_;  // guarded by mutex_
  std::vector<std::jthread> threads_;
};

}  // namespace slipway::test
