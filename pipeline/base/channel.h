// A queue from many senders to one receiver; the only way threads tell the engine anything.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace slipway {

template <typename T>
class Channel {
 public:
  // Any thread. After close() the value is dropped and false returned.
  bool push(T value) {
    if (!push_quietly(std::move(value))) return false;
    ready_.notify_one();
    return true;
  }
  // The same, for a value that may wait until the next push: a receiver that sleeps sleeps on.
  bool push_quietly(T value) {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    queue_.push_back(std::move(value));
    return true;
  }

  // The receiver's thread: waits for a value; nullopt when the time is over, or closed and empty.
  template <typename Clock, typename Duration>
  std::optional<T> pop_until(std::chrono::time_point<Clock, Duration> deadline) {
    std::unique_lock lock(mutex_);
    ready_.wait_until(lock, deadline, [&] { return closed_ || !queue_.empty(); });
    return take(lock);
  }
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    return take(lock);
  }
  // Everything queued by now, without waiting.
  std::deque<T> drain() {
    std::lock_guard lock(mutex_);
    return std::exchange(queue_, {});
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

 private:
  std::optional<T> take(std::unique_lock<std::mutex>&) {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(std::move(queue_.front()));
    queue_.pop_front();
    return value;
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> queue_;  // guarded by mutex_
  bool closed_ = false;  // guarded by mutex_
};

}  // namespace slipway
