// One running step on a thread of its own: builds what the plugin needs, calls it, sends all that happens
// back.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "base/channel.h"
#include "plan/plan.h"
#include "plugin/plugin.h"
#include "run/key_lock.h"
#include "run/retry.h"
#include "run/scratch.h"
#include "run/secrets.h"

namespace slipway {

// What a step's thread tells the engine. Texts are masked already.
struct Message {
  struct Wake {};  // look at the stop tokens
  struct Begun {   // a worker has taken the step
    std::chrono::steady_clock::time_point at;
  };
  struct Log {
    std::string text;
    bool error_stream;
  };
  struct Fact {
    std::string kind;
    json data;
  };
  struct AttemptStarted {
    int number;
  };
  struct Fingerprinted {  // asked on the step's thread since it may be slow
    json value;
    std::optional<Error> error;
  };
  struct Waited {};  // another process held the key: decide again
  struct Finished {
    Attempt attempt;
    KeyLock lock;  // kept until the outcome is stored
  };
  StepId step = 0;
  std::variant<Wake, Begun, Log, Progress, Fact, AttemptStarted, Fingerprinted, Waited, Finished> body;
};

// What the engine and the threads of its steps share; it outlives an abandoned thread.
struct Shared {
  Shared(const Plan& plan, std::filesystem::path work, std::filesystem::path reports)
      : secrets(plan), scratch(std::move(work), std::move(reports)) {}
  Channel<Message> channel;
  Secrets secrets;
  Scratch scratch;
  // A step has failed and the engine has not looked yet: no other begins. Set before the message that tells.
  std::atomic<bool> held{false};
  // Bytes of log that wait in the channel: a step that writes faster than they are consumed waits too.
  std::atomic<std::size_t> log_bytes{0};
};

struct Job {
  StepId step = 0;
  Plugin* plugin = nullptr;
  const ActionInfo* action = nullptr;
  Invocation invocation;  // without secrets: they are resolved on the step's thread
  bool preview = false;   // of the action instead of its run
  bool waits = false;     // does no work
  std::vector<std::string> secrets;
  Retries retries;
  Millis backoff{1000};
  std::filesystem::path lock_dir;
  std::string lock_hash;  // the key, or ""
  KeyLock lock;  // of that key: taken by the engine before it looked into the cache for the last time
};

// Each runs the job on the calling thread and sends its messages; the last one is Finished, Waited or
// Fingerprinted. Throws nothing.
void run_job(Job& job, const std::shared_ptr<Shared>& shared, std::stop_token stop);
void wait_job(Job& job, const std::shared_ptr<Shared>& shared,
              std::stop_token stop);  // until the key is free
void fingerprint_job(Job& job, const std::shared_ptr<Shared>& shared, std::stop_token stop);

// A preview as the outcome of a step (Step::preview).
Outcome foreseen(const json& preview);

// The context of a call that the engine makes on its own thread (a quick fingerprint): logs join the channel.
std::unique_ptr<Context> make_context(StepId step, const std::shared_ptr<Shared>& shared,
                                      std::stop_token stop);

}  // namespace slipway
