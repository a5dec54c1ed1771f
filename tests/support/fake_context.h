// A Context that keeps what it is told.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "plugin/plugin.h"

namespace slipway::test {

struct FakeContext : Context {
  std::string out, err;
  std::vector<std::string> progressed, events;  // texts; "KIND DATA"
  std::function<void(const std::string&)> on_log;
  std::stop_source stop_source;

  void log(std::string_view text, bool error_stream) override {
    (error_stream ? err : out) += text;
    if (on_log) on_log(std::string(text));
  }
  void progress(const Progress& progress) override { progressed.push_back(progress.text); }
  void event(std::string_view kind, json data) override {
    events.push_back(std::string(kind) + " " + data.dump());
  }
  std::stop_token stop() const override { return stop_source.get_token(); }
};

}  // namespace slipway::test
