// Many children at once, started, stopped and left by many threads: nothing leaks, nothing hangs.
#include <catch2/catch.hpp>
#include <csignal>
#include <set>
#include <thread>

#include "base/error.h"
#include "support/slipway.h"
#include "sys/process.h"

using namespace slipway;
using namespace slipway::test;

namespace {

std::size_t open_files() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// Direct children of this process, also those that nobody has waited for.
std::set<std::string> children() {
  std::set<std::string> out;
  const auto ours = fmt::format(" {} ", ::getpid());
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // PID (NAME) STATE PARENT …
    const auto stat = read_file_if_exists(entry.path() / "stat").value_or("");
    const auto end = stat.rfind(") ");
    if (end != std::string::npos && stat.substr(end + 3, ours.size()) == ours) out.insert(name);
  }
  return out;
}

Command sh(std::string script) {
  Command command;
  command.argv = {"sh", "-c", std::move(script)};
  return command;
}

}  // namespace

TEST_CASE("threads that start children at the same moment leak no descriptor and no process", "[sys]") {
  const auto files = open_files();
  const auto before = children();
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          std::string out;
          const auto keep = [&](Stream, std::string_view text) { out += text; };
          switch ((t + i) % 5) {
            case 0:  // a child sees its own three descriptors and the one it reads the folder with
              run_process(sh("ls /proc/self/fd | wc -l"), keep);
              wrong += out != "4\n";
              break;
            case 1: {  // stopped from another thread, at any moment of its life
              std::stop_source stop;
              std::jthread other([&] { stop.request_stop(); });
              WaitOptions options;
              options.stop = stop.get_token();
              const auto done = run_process(sh("sleep 60"), keep, options);
              wrong += !done.cancelled || done.status.ok();
              break;
            }
            case 2: {  // fed more than a pipe holds, by a child that reads only some of it
              auto command = sh("head -c 10");
              command.input.assign(300'000, 'x');
              run_process(command, keep);
              wrong += out != "xxxxxxxxxx";
              break;
            }
            case 3: {  // ends while its own child still holds the pipes
              const auto done = run_process(sh("sleep 60 & exit 3"), keep);
              wrong += done.status.code != 3;
              break;
            }
            default: {  // talked to, and left alone
              Child child(sh("cat"));
              child.kill_group(t % 2 ? SIGTERM : SIGKILL);
              wrong += !child.wait_for(Millis(20'000)).has_value();
            }
          }
        }
      });
  }
  CHECK(wrong == 0);
  CHECK(children() == before);
  CHECK(open_files() == files);
}

TEST_CASE("a callback that throws leaves no child behind", "[sys]") {
  const auto before = children();
  CHECK_THROWS_AS(run_process(sh("echo x; sleep 60"),
                              [](Stream, std::string_view) { throw Error(ExitCode::internal, "enough"); }),
                  Error);
  CHECK(children() == before);
}

TEST_CASE("a signal to a child that was reaped reaches nobody", "[sys]") {
  Child child(sh("exit 0"));
  REQUIRE(child.wait_for(Millis(20'000)));
  // Its number may be taken by now; the group of this test must not be hit in any case.
  child.kill_group(SIGKILL);
  CHECK(child.poll()->ok());
}

TEST_CASE("a stop that comes when the child has ended changes nothing", "[sys]") {
  std::stop_source stop;
  WaitOptions options;
  options.stop = stop.get_token();
  // A grandchild in a group of its own keeps the pipe; the stop is asked for while that is waited for.
  const auto done = run_process(
      sh("setsid sh -c 'sleep 0.02; echo late; sleep 1' & exit 0"),
      [&](Stream, std::string_view) { stop.request_stop(); }, options);
  CHECK(done.status.ok());
  CHECK_FALSE(done.cancelled);
}
