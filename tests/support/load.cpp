#include "support/load.h"

#include <condition_variable>

#include "base/error.h"
#include "sys/http.h"

namespace slipway::test {

Load::Load(std::string url, int connections, long limit, Millis pause) : left_(limit) {
  for (int i = 0; i < connections; ++i)
    threads_.emplace_back([this, url, pause](std::stop_token stop) { ask(stop, url, pause); });
}

void Load::stop() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

std::string Load::first_failure() const {
  std::lock_guard lock(mutex_);
  return first_failure_;
}

void Load::ask(std::stop_token stop, const std::string& url, Millis pause) {
  HttpClient client;
  HttpRequest request;
  request.url = url;
  request.stall_timeout = Millis(10'000);
  std::mutex mutex;
  std::condition_variable_any told;
  while (!stop.stop_requested() && left_-- > 0) {
    if (pause.count() > 0) {
      std::unique_lock lock(mutex);
      told.wait_for(lock, stop, pause, [] { return false; });
    }
    std::string failure;
    try {
      const auto answer = client.send(request);
      if (answer.status != 200) failure = fmt::format("status {}: {}", answer.status, answer.body);
    } catch (const Error& e) {
      failure = e.str();
    }
    if (failure.empty()) {
      ++answered_;
      continue;
    }
    ++failed_;
    std::lock_guard lock(mutex_);
    if (first_failure_.empty()) first_failure_ = failure;
  }
}

}  // namespace slipway::test
