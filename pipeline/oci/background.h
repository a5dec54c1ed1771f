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
  // Starts at once; `spec` has an overlay. Its mounts are seen by its own thread and children alone.
  BackgroundSandbox(const Runtime& runtime, SandboxSpec spec, fs::path cache_dir);
  ~BackgroundSandbox();  // stops it and waits
  BackgroundSandbox(const BackgroundSandbox&) = delete;
  BackgroundSandbox& operator=(const BackgroundSandbox&) = delete;

  // Waits until its first process is there, or it has ended: what the runtime takes to start it is no failure
  // of the service. Throws Error(interrupted).
  void wait_started(std::stop_token stop) const;
  // Why it runs no more: "it exited: exit 3"; nullopt while it runs. Any thread.
  std::optional<std::string> ended() const;
  std::vector<std::string> last_lines(std::size_t count) const;  // of both output streams
  // Runs argv inside, as the container's own process runs: its user, environment, capabilities and filter.
  // "No" (a non-zero exit) is an answer.
  ProbeAnswer exec(const std::vector<std::string>& argv, Millis timeout, std::stop_token stop) const;

 private:
  pid_t runtime_process() const;  // 0 when it is not there
  Finished live(const fs::path& place, std::stop_token stop);

  const Runtime& runtime_;
  const SandboxSpec spec_;
  const fs::path cache_dir_;
  mutable std::mutex mutex_;
  fs::path place_;                    // guarded by mutex_; there while it runs
  std::string output_;                // guarded by mutex_; the last 64 KiB
  std::optional<std::string> ended_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace slipway::oci
