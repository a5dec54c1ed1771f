#include "sys/process.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "base/error.h"
#include "support/slipway.h"

using namespace slipway;

namespace {

struct Said {
  std::string out, err;
  Finished finished;
};

Said run(Command command, WaitOptions options = {}) {
  Said said;
  said.finished = run_process(
      command, [&](Stream s, std::string_view text) { (s == Stream::out ? said.out : said.err) += text; },
      options);
  return said;
}

Command sh(std::string script) {
  return {.argv = {"sh", "-c", std::move(script)}, .cwd = {}, .env = {}, .input = {}};
}

}  // namespace

TEST_CASE("a program that leaves at once takes its children with it", "[sys]") {
  Command command;
  command.argv = {"sh", "-c", "trap '' TERM INT; echo ready; sleep 1000 & wait"};
  Child child(command);
  char byte = 0;
  REQUIRE(::read(child.out(), &byte, 1) == 1);
  kill_all_children();
  const auto status = child.wait_for(Millis(20'000));
  REQUIRE(status);
  CHECK(status->str() == "killed by SIGKILL");
}

TEST_CASE("a child's output, error stream and exit code come back", "[sys]") {
  const auto said = run(sh("echo out; echo err >&2; exit 3"));
  CHECK(said.out == "out\n");
  CHECK(said.err == "err\n");
  CHECK(said.finished.status.str() == "exit 3");
}

TEST_CASE("a child gets its folder, environment and input, and no descriptor of ours", "[sys]") {
  auto command = sh("pwd; echo $X; cat; ls /proc/self/fd | wc -l");
  command.cwd = "/usr";
  command.env["X"] = "y";
  command.input = "fed";
  const auto said = run(command);
  CHECK(said.out == "/usr\ny\nfed4\n");
}

TEST_CASE("a child starts with no signal blocked", "[sys]") {
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  const auto said = run(sh("kill -TERM $$; echo survived"));
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  CHECK(said.out.empty());
  CHECK(said.finished.status.str() == "killed by SIGTERM");
}

TEST_CASE("a step that takes too long is ended, first kindly, then for good", "[sys]") {
  const auto kind = run(sh("trap 'echo bye; exit 0' TERM; while :; do sleep 0.01; done"),
                        {.stop = {}, .timeout = Millis(100)});
  CHECK(kind.finished.timed_out);
  CHECK(kind.out == "bye\n");
  const auto deaf = run(sh("trap '' TERM; while :; do sleep 0.01; done"),
                        {.stop = {}, .timeout = Millis(100), .grace = Millis(100)});
  CHECK(deaf.finished.status.str() == "killed by SIGKILL");
}

TEST_CASE("a stop request ends the child", "[sys]") {
  std::stop_source source;
  std::jthread later([&] { source.request_stop(); });
  const auto said = run(sh("sleep 60"), {.stop = source.get_token(), .timeout = {}});
  CHECK(said.finished.cancelled);
  CHECK_FALSE(said.finished.status.ok());
}

TEST_CASE("what a child leaves in the background neither blocks nor outlives it", "[sys]") {
  const auto said = run(sh("sleep 300 & echo $!"));
  CHECK(said.finished.status.ok());
  const pid_t left = std::stoi(said.out);
  CHECK(test::eventually([&] {
    const auto stat = read_file_if_exists(fmt::format("/proc/{}/stat", left));
    return !stat || stat->find(") Z") != std::string::npos;
  }));
}

TEST_CASE("a missing program names its package", "[sys]") {
  try {
    run({.argv = {"no-such-program-here"}, .cwd = {}, .env = {}, .input = {}});
    FAIL("it ran");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::unavailable);
    CHECK(e.str() == "`no-such-program-here` is not installed\n  hint: apt-get install no-such-program-here");
  }
}

TEST_CASE("a failed capture shows the last words", "[sys]") {
  CHECK(run_capture(sh("printf hello")) == "hello");
  try {
    run_capture(sh("echo broken >&2; exit 7"));
    FAIL("it passed");
  } catch (const Error& e) {
    CHECK(e.str() == "`sh` failed: exit 7\n  | broken");
  }
}

TEST_CASE("a child can be talked to and is gone with its owner", "[sys]") {
  pid_t pid = 0;
  {
    Child child({.argv = {"cat"}, .cwd = {}, .env = {}, .input = {}});
    pid = child.pid();
    REQUIRE(::write(child.in(), "ping", 4) == 4);
    char buffer[8];
    REQUIRE(::read(child.out(), buffer, sizeof buffer) == 4);
    CHECK_FALSE(child.poll().has_value());
    child.close_in();
    CHECK(child.wait_for(Millis(5000))->ok());
  }
  CHECK(::kill(pid, 0) != 0);
}
