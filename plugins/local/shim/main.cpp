// slipway-shim ID FOLDER: the monitor of one replica of the local target. Reads its order (JSON) from stdin,
// becomes a daemon, answers with exit 0 when the container could be made (else with the reason on stderr),
// and stays until it is told to stop by SIGTERM.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "plugins/local/shim/container.h"
#include "plugins/local/shim/monitor.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::local;

namespace {

constexpr const char* kReady = "ready\n";

// Waits for what the daemon says: that it is ready, or why not.
int answer_of(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = ::read(fd, buffer, sizeof buffer)) != 0;) {
    if (count < 0 && errno != EINTR) break;
    if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
  }
  if (text == kReady) return 0;
  if (text.empty()) text = "the monitor ended without a word\n";
  std::cerr << text;
  return static_cast<int>(ExitCode::unavailable);
}

void say(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) < 0) std::cerr << text;
}

void use_files_as_streams(const fs::path& dir) {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Fd log(::open((dir / "shim.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!null || !log) throw_errno("open the log of the monitor", errno);
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
  ::dup2(log.get(), STDERR_FILENO);
}

int monitor(const ReplicaOrder& order, Fd ready) {
  try {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    for (const int ignored : {SIGHUP, SIGINT, SIGPIPE}) std::signal(ignored, SIG_IGN);
    if (::chdir("/") != 0) throw_errno("stand in /", errno);
    use_files_as_streams(order.dir);
    const Container container(order);
    Monitor monitor(order, container);
    say(ready.get(), kReady);
    ready.reset();
    monitor.run();
    return 0;
  } catch (const Error& e) {
    say(ready ? ready.get() : STDERR_FILENO, e.str() + "\n");
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    say(ready ? ready.get() : STDERR_FILENO, std::string(e.what()) + "\n");
    return static_cast<int>(ExitCode::internal);
  }
}

}  // namespace

int main(int argc, char**) {
  if (argc != 3) {
    std::cerr << "slipway-shim is started by slipway\n";
    return static_cast<int>(ExitCode::usage);
  }
  ReplicaOrder order;
  try {
    const std::string text((std::istreambuf_iterator<char>(std::cin)), {});
    order = json::parse(text).get<ReplicaOrder>();
  } catch (const std::exception& e) {
    std::cerr << "no order of a replica on stdin: " << e.what() << "\n";
    return static_cast<int>(ExitCode::usage);
  }
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return static_cast<int>(ExitCode::internal);
  Fd read(fds[0]), write(fds[1]);
  const auto first = ::fork();
  if (first < 0) return static_cast<int>(ExitCode::internal);
  if (first > 0) {
    write.reset();
    ::waitpid(first, nullptr, 0);
    return answer_of(read.get());
  }
  // A session of its own, without the chance of a terminal, and nobody's child.
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  read.reset();
  return monitor(order, std::move(write));
}
