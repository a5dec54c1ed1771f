// Child processes: started, fed, read, cancelled and always reaped.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "sys/fd.h"

namespace slipway {

namespace fs = std::filesystem;

struct Command {
  std::vector<std::string> argv;           // argv[0] is looked up in PATH unless it has a '/'
  std::filesystem::path cwd;               // empty: ours
  std::map<std::string, std::string> env;  // added to (or, with clear_env, instead of) our environment
  bool clear_env = false;
  std::string input;  // written to stdin, then closed; stdin is /dev/null when empty
};

struct ExitStatus {
  int code = 0;    // exit code, or 128+signal
  int signal = 0;  // 0 when it exited by itself
  bool ok() const { return code == 0 && signal == 0; }
  std::string str() const;  // "exit 3", "killed by SIGKILL"
};

enum class Stream { out, err };
// Called on the thread that waits, with raw chunks in order of arrival.
using OnOutput = std::function<void(Stream, std::string_view)>;

struct WaitOptions {
  std::stop_token stop;           // when requested: SIGTERM to the group, then SIGKILL after `grace`
  std::optional<Millis> timeout;  // the same when it is over; `timed_out` is set
  Millis grace{10'000};
};

struct Finished {
  ExitStatus status;
  bool cancelled = false, timed_out = false;
};

// Runs to the end in its own process group; everything that stays of the group is killed. Throws Error
// (unavailable) when the program cannot be started, with the apt line as a hint when we know the package.
Finished run_process(const Command& command, const OnOutput& on_output, const WaitOptions& options = {});

// Runs and returns stdout (at most 64 MiB); throws Error(unavailable) with the last stderr lines on failure.
std::string run_capture(const Command& command, const WaitOptions& options = {});

// A child that is talked to. Not thread-safe, except kill_group. The destructor kills the group and reaps.
class Child {
 public:
  explicit Child(const Command& command);  // `input` is ignored: stdin is a pipe
  Child(Child&&) noexcept;
  ~Child();
  pid_t pid() const { return pid_; }
  int in() const { return in_.get(); }
  int out() const { return out_.get(); }
  int err() const { return err_.get(); }
  void close_in() { in_.reset(); }
  std::optional<ExitStatus> poll();  // reaps when it has ended, and kills what it left in its group
  std::optional<ExitStatus> wait_for(Millis at_most);
  void kill_group(int signal) const;  // nothing once it is reaped

 private:
  pid_t pid_ = -1;
  Fd in_, out_, err_;
  std::optional<ExitStatus> status_;
};

// Kills the group of every child that runs now, for a program that leaves without waiting (std::_Exit).
void kill_all_children();

// The full path of a program in PATH (also /usr/sbin, /sbin); nullopt when there is none.
std::optional<std::filesystem::path> find_program(std::string_view name);
// find_program or Error(unavailable) "`crun` is not installed", hint "apt-get install crun".
std::filesystem::path require_program(std::string_view name);

}  // namespace slipway
