// A sandbox that runs beside its owner: a backing service of a test. It has a thread of its own, and goes
// with its owner, also when that is killed.
#pragma once
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "oci/probe.h"
#include "oci/sandbox.h"

namespace slipway::oci {

class BackgroundSandbox {
 public:
  // Starts at once.
  BackgroundSandbox(const Runtime& runtime, SandboxSpec spec);
  ~BackgroundSandbox();  // stops it and waits
  BackgroundSandbox(const BackgroundSandbox&) = delete;
  BackgroundSandbox& operator=(const BackgroundSandbox&) = delete;

  // Why it runs no more: "it exited: exit 3"; nullopt while it runs. Any thread.
  std::optional<std::string> ended() const;
  std::vector<std::string> last_lines(std::size_t count) const;  // of both output streams
  // Runs argv in its namespaces and root with its environment, as root. "No" (a non-zero exit) is an answer.
  ProbeAnswer exec(const std::vector<std::string>& argv, Millis timeout, std::stop_token stop) const;

 private:
  const Runtime& runtime_;
  SandboxSpec spec_;
  std::string marker_;
  mutable std::mutex mutex_;
  std::string output_;                // guarded by mutex_; the last 64 KiB
  std::optional<std::string> ended_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace slipway::oci
