// posix_spawn (CLONE_VFORK in glibc) rather than fork: its cost does not grow with our memory, and the child
// closes every descriptor it was not given, so that no pipe of one step is held open by another.
#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>

#include "base/error.h"
#include "sys/pipe.h"

extern char** environ;

namespace slipway {

namespace {

using Clock = std::chrono::steady_clock;

// Programs we call whose Debian package has another name.
std::string package_of(const std::string& program) {
  static const std::map<std::string, std::string> names = {
      {"ip", "iproute2"},        {"ssh", "openssh-client"},     {"nsenter", "util-linux"},
      {"unshare", "util-linux"}, {"busybox", "busybox-static"}, {"sh", "dash"},
      {"newuidmap", "uidmap"},   {"setpriv", "util-linux"}};
  const auto it = names.find(program);
  return it == names.end() ? program : it->second;
}

struct Pipe {
  Fd read, write;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw_errno("make a pipe", errno);
    read = Fd(fds[0]);
    write = Fd(fds[1]);
  }
};

void set_nonblocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

// The children that are not reaped yet. While `mutex` is held none is reaped, so that a number in it never
// belongs to somebody else.
struct Living {
  // Shared by those who start children, which takes a while, so that they do not wait for each other; had
  // alone by who must miss none. Taken before `mutex`.
  std::shared_mutex starting;
  std::mutex mutex;
  std::set<pid_t> pids;  // guarded by mutex
};

Living& living() {
  static Living* const all = new Living;  // never destroyed: threads of abandoned steps still use it at exit
  return *all;
}

// posix_spawn's attribute and action objects, released with their owner.
struct SpawnPlan {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  SpawnPlan() {
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
  }
  ~SpawnPlan() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

// "K=V" strings of the child's environment.
std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> out;
  if (!command.clear_env)
    for (char** entry = environ; entry && *entry; ++entry) {
      const std::string_view text(*entry);
      if (!command.env.contains(std::string(text.substr(0, text.find('='))))) out.emplace_back(text);
    }
  for (const auto& [name, value] : command.env) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

pid_t spawn(const Command& command, int in, int out, int err) {
  if (command.argv.empty()) throw Error(ExitCode::internal, "there is no program to run");
  auto argv = command.argv;
  const std::string program =
      argv[0].find('/') != std::string::npos ? argv[0] : require_program(argv[0]).string();

  SpawnPlan plan;
  // Our threads block INT, TERM and HUP; a child must start with nothing blocked and nothing ignored.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
  ::posix_spawnattr_setpgroup(&plan.attributes, 0);
  ::posix_spawnattr_setflags(&plan.attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (in >= 0)
    ::posix_spawn_file_actions_adddup2(&plan.actions, in, 0);
  else
    ::posix_spawn_file_actions_addopen(&plan.actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&plan.actions, out, 1);
  ::posix_spawn_file_actions_adddup2(&plan.actions, err, 2);
  ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, 3);
  if (!command.cwd.empty()) {
    std::error_code error;
    if (!fs::is_directory(command.cwd, error))
      throw Error(ExitCode::unavailable, fmt::format("cannot run `{}`: the folder `{}` does not exist",
                                                     argv[0], command.cwd.string()));
    ::posix_spawn_file_actions_addchdir_np(&plan.actions, command.cwd.c_str());
  }
  auto environment = environment_of(command);
  pid_t pid = -1;
  const std::shared_lock starting(living().starting);
  const int error = ::posix_spawn(&pid, program.c_str(), &plan.actions, &plan.attributes,
                                  pointers(argv).data(), pointers(environment).data());
  if (error != 0)
    throw Error(ExitCode::unavailable, fmt::format("cannot run `{}`: {}", argv[0], std::strerror(error)));
  const std::lock_guard lock(living().mutex);
  living().pids.insert(pid);
  return pid;
}

ExitStatus decode(int status) {
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

// Of a child that has ended; nullopt: it has not. What it left running in its group is killed while its
// number is still taken: once it is reaped, that may be the number of somebody else's group.
std::optional<ExitStatus> reap_if_ended(pid_t pid) {
  const std::lock_guard lock(living().mutex);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) < 0)
    if (errno != EINTR) throw_errno("wait for a child", errno);
  if (info.si_pid == 0) return std::nullopt;
  ::kill(-pid, SIGKILL);
  living().pids.erase(pid);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw_errno("wait for a child", errno);
  return decode(status);
}

// Nothing once the child is reaped.
void kill_living(pid_t pid, int signal) {
  const std::lock_guard lock(living().mutex);
  if (living().pids.contains(pid)) ::kill(-pid, signal);
}

ExitStatus reap(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0)
    if (errno != EINTR) throw_errno("wait for a child", errno);
  return *reap_if_ended(pid);
}

Fd open_pidfd(pid_t pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) throw_errno("watch a child", errno);
  return fd;
}

// How long output that a left-over grandchild may still hold open is read after the child itself has ended.
constexpr Millis kDrain{200};

class Watch {
 public:
  Watch(const Command& command, const OnOutput& on_output, const WaitOptions& options)
      : command_(command), on_output_(on_output), options_(options) {}

  Finished run() {
    Pipe out, err;
    std::optional<Pipe> in;
    if (!command_.input.empty()) in.emplace();
    pid_ = spawn(command_, in ? in->read.get() : -1, out.write.get(), err.write.get());
    out.write.reset();
    err.write.reset();
    out_ = std::move(out.read);
    err_ = std::move(err.read);
    if (in) {
      in->read.reset();
      in_ = std::move(in->write);
      set_nonblocking(in_.get());
    }
    try {
      loop();
    } catch (...) {
      kill_living(pid_, SIGKILL);
      if (!status_) reap(pid_);
      throw;
    }
    finished_.status = *status_;
    return finished_;
  }

 private:
  void loop() {
    const Fd pidfd = open_pidfd(pid_);
    // Wakes the poll below; made only when somebody can ask to stop.
    Fd wake;
    if (options_.stop.stop_possible()) {
      wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (!wake) throw_errno("make an eventfd", errno);
    }
    const std::stop_callback on_stop(options_.stop, [fd = wake.get()] {
      if (fd >= 0) ::eventfd_write(fd, 1);
    });
    if (options_.timeout) deadline_ = Clock::now() + *options_.timeout;

    while (!status_ || out_ || err_) {
      pollfd fds[] = {{pidfd.get(), POLLIN, 0},
                      {out_.get(), POLLIN, 0},
                      {err_.get(), POLLIN, 0},
                      {in_.get(), POLLOUT, 0},
                      {wake.get(), POLLIN, 0}};
      if (status_) fds[0].fd = -1;
      // Once it has ended a stop comes too late.
      if (finished_.cancelled || status_) fds[4].fd = -1;
      const int ready = ::poll(fds, 5, poll_timeout());
      if (ready < 0 && errno != EINTR) throw_errno("wait for a child", errno);
      if (fds[1].revents) read_from(out_, Stream::out);
      if (fds[2].revents) read_from(err_, Stream::err);
      if (fds[3].revents) feed();
      if (fds[4].revents) {
        finished_.cancelled = true;
        terminate();
      }
      if (fds[0].revents) {
        status_ = reap(pid_);
        deadline_ = Clock::now() + kDrain;
        in_.reset();
      }
      if (deadline_ && Clock::now() >= *deadline_) on_deadline();
    }
  }

  int poll_timeout() const {
    if (!deadline_) return -1;
    const auto left = std::chrono::ceil<Millis>(*deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
  }

  void on_deadline() {
    if (status_) {  // drained long enough
      out_.reset();
      err_.reset();
    } else if (terminated_) {
      kill_living(pid_, SIGKILL);
      deadline_.reset();
    } else {
      finished_.timed_out = true;
      terminate();
    }
  }

  void terminate() {
    if (terminated_) return;
    terminated_ = true;
    kill_living(pid_, SIGTERM);
    deadline_ = Clock::now() + options_.grace;
  }

  // Only what poll has found: a read that would have to wait is never made.
  void read_from(Fd& fd, Stream stream) {
    char buffer[65536];
    const auto n = ::read(fd.get(), buffer, sizeof buffer);
    if (n > 0) {
      if (on_output_) on_output_(stream, {buffer, static_cast<std::size_t>(n)});
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      fd.reset();
    }
  }

  void feed() {
    const auto n = write_to_pipe(in_.get(), std::string_view(command_.input).substr(fed_));
    if (n > 0) fed_ += static_cast<std::size_t>(n);
    // EPIPE: the child does not want more; its exit code tells whether that matters.
    if (fed_ == command_.input.size() || (n < 0 && errno != EAGAIN && errno != EINTR)) in_.reset();
  }

  const Command& command_;
  const OnOutput& on_output_;
  const WaitOptions& options_;
  pid_t pid_ = -1;
  Fd in_, out_, err_;
  std::size_t fed_ = 0;
  bool terminated_ = false;
  std::optional<Clock::time_point> deadline_;
  std::optional<ExitStatus> status_;
  Finished finished_;
};

}  // namespace

std::string ExitStatus::str() const {
  if (signal == 0) return fmt::format("exit {}", code);
  const char* name = ::sigabbrev_np(signal);
  return name ? fmt::format("killed by SIG{}", name) : fmt::format("killed by signal {}", signal);
}

Finished run_process(const Command& command, const OnOutput& on_output, const WaitOptions& options) {
  return Watch(command, on_output, options).run();
}

std::string run_capture(const Command& command, const WaitOptions& options) {
  constexpr std::size_t kMost = 64u << 20;
  std::string out, err;
  const auto finished = run_process(
      command,
      [&](Stream stream, std::string_view text) {
        auto& into = stream == Stream::out ? out : err;
        into += text;
        if (stream == Stream::err && into.size() > 8192) into.erase(0, into.size() - 4096);
        if (out.size() > kMost)
          throw Error(ExitCode::unavailable, fmt::format("`{}` wrote more than 64 MiB", command.argv[0]));
      },
      options);
  if (finished.cancelled)
    throw Error(ExitCode::interrupted, fmt::format("`{}` was interrupted", command.argv[0]));
  if (finished.timed_out)
    throw Error(ExitCode::timeout, fmt::format("`{}` did not end in time", command.argv[0])).retryable();
  if (!finished.status.ok()) {
    while (err.ends_with('\n')) err.pop_back();
    throw Error(ExitCode::unavailable, fmt::format("`{}` failed: {}", command.argv[0], finished.status.str()))
        .detail(err);
  }
  return out;
}

Child::Child(const Command& command) {
  Pipe in, out, err;
  pid_ = spawn(command, in.read.get(), out.write.get(), err.write.get());
  in_ = std::move(in.write);
  out_ = std::move(out.read);
  err_ = std::move(err.read);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      status_(other.status_) {}

Child::~Child() {
  if (pid_ < 0 || status_) return;
  kill_living(pid_, SIGKILL);
  try {
    reap(pid_);
  } catch (const Error&) {
    // Somebody else waited for it: it is gone, which is all that is wanted here.
  }
}

std::optional<ExitStatus> Child::poll() {
  if (!status_) status_ = reap_if_ended(pid_);
  return status_;
}

std::optional<ExitStatus> Child::wait_for(Millis at_most) {
  if (poll()) return status_;
  const Fd pidfd = open_pidfd(pid_);
  const auto deadline = Clock::now() + at_most;
  for (;;) {
    const auto left = std::chrono::ceil<Millis>(deadline - Clock::now()).count();
    pollfd fd{pidfd.get(), POLLIN, 0};
    if (::poll(&fd, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) > 0) return poll();
    if (left <= 0) return std::nullopt;
  }
}

void Child::kill_group(int signal) const {
  if (pid_ > 0) kill_living(pid_, signal);
}

void kill_all_children() {
  const std::lock_guard starting(living().starting);
  const std::lock_guard lock(living().mutex);
  for (const auto pid : living().pids) ::kill(-pid, SIGKILL);
}

std::optional<fs::path> find_program(std::string_view name) {
  const auto executable = [](const fs::path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string_view::npos) {
    if (executable(name)) return fs::path(name);
    return std::nullopt;
  }
  const char* variable = std::getenv("PATH");
  // Tools such as haproxy and mmdebstrap's helpers live in sbin, which an ordinary user's PATH leaves out.
  const std::string path =
      std::string(variable ? variable : "/usr/local/bin:/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin";
  for (std::size_t from = 0; from <= path.size();) {
    const auto to = std::min(path.find(':', from), path.size());
    if (to > from)
      if (const auto candidate = fs::path(path.substr(from, to - from)) / name; executable(candidate))
        return candidate;
    from = to + 1;
  }
  return std::nullopt;
}

fs::path require_program(std::string_view name) {
  if (auto found = find_program(name)) return *found;
  throw Error(ExitCode::unavailable, fmt::format("`{}` is not installed", name))
      .hint(fmt::format("apt-get install {}", package_of(std::string(name))));
}

}  // namespace slipway
