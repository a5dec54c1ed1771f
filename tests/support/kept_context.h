// What a plugin tells while it runs, kept for a test to look at.
#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "plugin/plugin.h"

namespace slipway::test {

class KeptContext : public Context {
 public:
  void log(std::string_view text, bool) override {
    std::lock_guard lock(mutex_);
    log_ += text;
  }
  void progress(const Progress& progress) override {
    std::lock_guard lock(mutex_);
    log_ += "[" + progress.text + "]\n";
  }
  void event(std::string_view kind, json data) override {
    events.push_back({std::string(kind), std::move(data)});
  }
  std::stop_token stop() const override { return source.get_token(); }

  std::string text() const {
    std::lock_guard lock(mutex_);
    return log_;
  }
  std::stop_source source;
  std::vector<std::pair<std::string, json>> events;

 private:
  mutable std::mutex mutex_;
  std::string log_;  // guarded by mutex_
};

}  // namespace slipway::test
