// The engine with a plugin that does what the test says.
#include "run/engine.h"

#include <catch2/catch.hpp>

#include "support/fake_run.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("steps run in the order of their needs, and outputs go from one to the next", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  r.plan.step("push.a", {"build.a"}, {{"image", {{"$ref", "build.a"}, {"path", "/made"}}}});
  json seen;
  r.work.bodies["push.a"] = [&](const Invocation& invocation, Context&) {
    seen = invocation.params;
    return Outcome::success();
  };
  r.run();
  CHECK(seen["image"] == "build.a");
  CHECK(r.finished.result == Result::success);
  CHECK(r.finished.exit == 0);
  CHECK(r.finished.critical_path == std::vector<std::string>{"build.a", "push.a"});
  CHECK(r.story() == std::vector<std::string>{"run.started", "run.plan", "cache build.a miss",
                                              "step.started build.a", "step.finished build.a success",
                                              "cache push.a miss", "step.started push.a",
                                              "step.finished push.a success", "run.finished success"});
  for (std::size_t i = 0; i < r.events.size(); ++i) CHECK(r.events[i].seq == i);
}

TEST_CASE("steps that need nothing of each other run at the same time, no more than jobs allow", "[run]") {
  FakeRun r;
  r.options.jobs = 3;
  std::atomic<int> now{0}, most{0};
  Gate three;
  for (int i = 0; i < 9; ++i) {
    const auto name = fmt::format("test.t{}", i);
    r.plan.step(name);
    r.work.bodies[name] = [&](const Invocation&, Context&) {
      const int running = ++now;
      int before = most;
      while (running > before && !most.compare_exchange_weak(before, running)) {
      }
      if (running == 3) three.open();
      three.wait();
      --now;
      return Outcome::success();
    };
  }
  r.run();
  CHECK(r.finished.result == Result::success);
  CHECK(most == 3);
}

TEST_CASE("a failed step skips what depends on it, and nothing new starts", "[run]") {
  FakeRun r;
  r.options.jobs = 1;
  r.plan.step("build.a");
  r.plan.step("test.a", {"build.a"});
  r.plan.step("push.a", {"test.a"});
  r.plan.step("build.b");
  r.work.bodies["build.a"] = [](const Invocation&, Context& context) {
    context.log("line 1\nline 2");
    return Outcome::failed("exit 3 in `make`");
  };
  r.run();
  CHECK(r.finished.result == Result::failure);
  CHECK(r.finished.exit == 1);
  CHECK(r.step("build.a").message == "exit 3 in `make`");
  CHECK(r.step("build.a").last_lines == std::vector<std::string>{"line 1", "line 2"});
  CHECK(r.result_of("test.a") == Result::skip);
  CHECK(r.step("test.a").message == "needs `build.a`, which failed");
  CHECK(r.step("push.a").message == "needs `test.a`, which did not run");
  CHECK(r.step("build.b").message == "not started after `build.a` failed");
  CHECK(r.work.all_runs() == 1);
}

TEST_CASE("keep-going runs what does not depend on the failed step", "[run]") {
  FakeRun r;
  r.options.keep_going = true;
  r.plan.step("build.a");
  r.plan.step("test.a", {"build.a"});
  r.plan.step("build.b");
  r.plan.step("test.b", {"build.b"});
  r.work.bodies["build.a"] = [](const Invocation&, Context&) { return Outcome::failed("no"); };
  r.run();
  CHECK(r.finished.result == Result::failure);
  CHECK(r.result_of("test.a") == Result::skip);
  CHECK(r.result_of("test.b") == Result::success);
}

TEST_CASE("an error says what, why and what next, and carries its exit code to the run", "[run]") {
  FakeRun r;
  r.plan.step("push.a").where = {"slipway.yaml", 12, 5, 4};
  r.work.bodies["push.a"] = [](const Invocation&, Context&) -> Outcome {
    throw Error(ExitCode::auth, "the registry wants a login")
        .hint("docker login")
        .trail("while pushing `a:1`");
  };
  r.run();
  CHECK(r.finished.result == Result::error);
  CHECK(r.finished.exit == 3);
  CHECK(r.step("push.a").message == "the registry wants a login, while pushing `a:1`");
  CHECK(r.step("push.a").hint == "docker login");
  CHECK(r.step("push.a").where.str() == "slipway.yaml:12:5");
}

TEST_CASE("an exception that is no Error is an internal error of its step alone", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  r.work.bodies["build.a"] = [](const Invocation&, Context&) -> Outcome {
    throw std::out_of_range("map::at");
  };
  r.run();
  CHECK(r.finished.exit == 70);
  CHECK(r.step("build.a").message == "internal error: map::at");
}

TEST_CASE("always-steps run after a failure, failure-steps only then", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  r.plan.step("deploy.a", {"build.a"});
  r.plan.step("step.notes", {"deploy.a"}).when = When::always;
  r.plan.step("step.alarm", {"deploy.a"}).when = When::failure;

  SECTION("when all is well") {
    r.run();
    CHECK(r.result_of("step.notes") == Result::success);
    CHECK(r.result_of("step.alarm") == Result::skip);
    CHECK(r.step("step.alarm").message == "nothing it watches failed");
  }
  SECTION("when the first step failed") {
    r.work.bodies["build.a"] = [](const Invocation&, Context&) { return Outcome::failed("no"); };
    r.run();
    CHECK(r.result_of("deploy.a") == Result::skip);
    CHECK(r.result_of("step.notes") == Result::success);
    CHECK(r.result_of("step.alarm") == Result::success);
    CHECK(r.finished.result == Result::failure);
  }
}

TEST_CASE("with continue_on_error a failure is told and the run goes on", "[run]") {
  FakeRun r;
  r.plan.step("test.flaky").continue_on_error = true;
  r.plan.step("deploy.a", {"test.flaky"});
  r.work.bodies["test.flaky"] = [](const Invocation&, Context&) {
    return Outcome::failed("1 of 2 tests failed");
  };
  r.run();
  CHECK(r.finished.result == Result::success);
  CHECK(r.finished.exit == 0);
  CHECK(r.result_of("test.flaky") == Result::failure);
  CHECK(r.step("test.flaky").ignored);
  CHECK(r.result_of("deploy.a") == Result::success);
}

TEST_CASE("a rollout that was rolled back decides the exit code over an earlier failure", "[run]") {
  FakeRun r;
  r.options.keep_going = true;
  r.options.jobs = 1;
  r.plan.step("test.a");
  r.plan.step("deploy.a");
  r.work.bodies["test.a"] = [](const Invocation&, Context&) { return Outcome::failed("red"); };
  r.work.bodies["deploy.a"] = [](const Invocation&, Context&) { return Outcome::failed("unhealthy", 4); };
  r.run();
  CHECK(r.finished.exit == 4);
}

TEST_CASE("a step over its time is asked to stop and times out", "[run]") {
  FakeRun r;
  r.plan.step("test.slow").timeout = Millis(20);
  Gate never;
  r.work.bodies["test.slow"] = [&](const Invocation&, Context& context) {
    never.wait(context.stop());
    return Outcome::failed("stopped");
  };
  r.run();
  CHECK(r.result_of("test.slow") == Result::timeout);
  CHECK(r.finished.exit == 8);
  CHECK(r.step("test.slow").message == "took longer than 0.0s");
}

TEST_CASE("a stop request cancels what runs and starts nothing new", "[run]") {
  FakeRun r;
  r.options.jobs = 1;
  r.plan.step("build.a");
  r.plan.step("build.b");
  r.plan.step("step.notes", {"build.a"}).when = When::always;
  Gate never;
  r.work.bodies["build.a"] = [&](const Invocation&, Context& context) {
    r.stop.request_stop();
    never.wait(context.stop());
    return Outcome::failed("stopped");
  };
  r.run();
  CHECK(r.result_of("build.a") == Result::cancellation);
  CHECK(r.result_of("build.b") == Result::skip);
  CHECK(r.step("build.b").message == "the run was stopped before it");
  CHECK(r.result_of("step.notes") == Result::skip);
  CHECK(r.finished.result == Result::cancellation);
  CHECK(r.finished.exit == 130);
}

namespace {

// Says that a body which was left alone has ended, so that what it uses may go.
struct Leaving {
  std::atomic<bool>& left;
  explicit Leaving(std::atomic<bool>& flag) : left(flag) {}
  ~Leaving() { left = true; }
};

}  // namespace

TEST_CASE("a kill request leaves a deaf step alone", "[run]") {
  auto r = std::make_unique<FakeRun>();
  r->plan.step("build.deaf");
  Gate ended;
  std::atomic<bool> left{false};
  r->work.bodies["build.deaf"] = [&](const Invocation&, Context&) {
    const Leaving leaving(left);
    r->stop.request_stop();
    r->kill.request_stop();
    ended.wait();
    return Outcome::success();
  };
  r->run();
  CHECK(r->result_of("build.deaf") == Result::cancellation);
  CHECK(r->step("build.deaf").message == "stopped, and left alone before it ended");
  CHECK(any_abandoned());
  // Its thread must end before what it uses goes.
  const auto work = r->dirs.cache / "work" / "r-1" / "build.deaf";
  ended.open();
  REQUIRE(eventually([&] { return left && !fs::exists(work); }));
}

TEST_CASE("a step that does not heed the stop is abandoned after the grace", "[run]") {
  auto r = std::make_unique<FakeRun>();
  r->options.stop_grace = Millis(10);
  r->plan.step("test.deaf").timeout = Millis(10);
  Gate ended;
  std::atomic<bool> left{false};
  r->work.bodies["test.deaf"] = [&](const Invocation&, Context&) {
    const Leaving leaving(left);
    ended.wait();
    return Outcome::success();
  };
  r->run();
  CHECK(r->step("test.deaf").message == "took longer than 0.0s, and did not stop when asked to");
  CHECK(r->finished.exit == 8);
  const auto work = r->dirs.cache / "work" / "r-1" / "test.deaf";
  ended.open();
  REQUIRE(eventually([&] { return left && !fs::exists(work); }));
}

TEST_CASE("infrastructure faults are tried again, a red test is not", "[run]") {
  FakeRun r;
  auto& step = r.plan.step("test.a");
  step.retries.max = 2;

  SECTION("until it works") {
    r.work.bodies["test.a"] = [&](const Invocation& invocation, Context&) {
      CHECK(fs::is_empty(invocation.work_dir));
      fs::create_directory(invocation.work_dir / "left over");
      if (r.work.runs_of("test.a") == 3) return Outcome::success();
      auto outcome = Outcome::failed("no route");
      outcome.infrastructure = true;
      return outcome;
    };
    r.run();
    CHECK(r.finished.result == Result::success);
    CHECK(r.work.runs_of("test.a") == 3);
    CHECK(r.step("test.a").attempts == 3);
  }
  SECTION("at most as often as the spec says") {
    r.work.bodies["test.a"] = [](const Invocation&, Context&) -> Outcome {
      throw Error(ExitCode::unavailable, "connection reset").retryable();
    };
    r.run();
    CHECK(r.finished.exit == 6);
    CHECK(r.work.runs_of("test.a") == 3);
  }
  SECTION("a failed assertion") {
    r.work.bodies["test.a"] = [](const Invocation&, Context&) { return Outcome::failed("1 failed"); };
    r.run();
    CHECK(r.work.runs_of("test.a") == 1);
  }
  SECTION("an error that will not pass") {
    r.work.bodies["test.a"] = [](const Invocation&, Context&) -> Outcome {
      throw Error(ExitCode::auth, "no");
    };
    r.run();
    CHECK(r.work.runs_of("test.a") == 1);
  }
  SECTION("any failure when the spec says so") {
    step.retries.infra_only = false;
    r.work.bodies["test.a"] = [](const Invocation&, Context&) { return Outcome::failed("1 failed"); };
    r.run();
    CHECK(r.work.runs_of("test.a") == 3);
  }
}

TEST_CASE("an unknown plugin or action is an error before any work", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  auto& step = r.plan.step("build.b");
  step.where = {"slipway.yaml", 3, 7, 1};
  std::string text;
  const auto try_run = [&] {
    try {
      r.run();
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::usage);
      text = e.str();
    }
  };
  SECTION("plugin") {
    step.uses = "fakee";
    try_run();
    CHECK(text == "slipway.yaml:3:7: unknown plugin `fakee`\n  hint: did you mean `fake`?");
  }
  SECTION("action") {
    step.action = "mak";
    try_run();
    CHECK(text == "slipway.yaml:3:7: plugin `fake` has no action `mak`\n  hint: did you mean `make`?");
  }
  CHECK(r.work.all_runs() == 0);
  CHECK(r.events.empty());
}

TEST_CASE("a reference to a step that left nothing is an error of the step that has it", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  r.plan.step("step.notes", {"build.a"}, {{"image", {{"$ref", "build.a"}, {"path", "/made"}}}}).when =
      When::always;
  r.work.bodies["build.a"] = [](const Invocation&, Context&) { return Outcome::failed("no"); };
  r.run();
  CHECK(r.result_of("step.notes") == Result::error);
  CHECK(r.step("step.notes").message == "step `build.a` has left no outputs");
}

TEST_CASE("a step gets folders of its own, and they go when it is done", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  r.plan.step("build.b", {"build.a"});
  fs::path work, reports;
  r.work.bodies["build.a"] = [&](const Invocation& invocation, Context&) {
    work = invocation.work_dir;
    reports = invocation.reports_dir;
    CHECK(fs::is_directory(work));
    write_file_atomic(work / "half", "done");
    write_file_atomic(reports / "junit.xml", "<testsuites/>");
    return Outcome::success();
  };
  r.work.bodies["build.b"] = [&](const Invocation& invocation, Context&) {
    CHECK(fs::is_empty(invocation.work_dir));
    CHECK(fs::is_empty(invocation.reports_dir));
    return Outcome::success();
  };
  r.run();
  CHECK_FALSE(fs::exists(work));
  CHECK_FALSE(fs::exists(work.parent_path()));
  CHECK(fs::exists(reports.parent_path() / "build.a" / "junit.xml"));
  CHECK_FALSE(fs::exists(reports));
  CHECK_FALSE(fs::exists(reports.parent_path() / "build.b"));
}

TEST_CASE("ten thousand log lines arrive whole and in order, and progress is thinned", "[run]") {
  FakeRun r;
  r.plan.step("build.a");
  r.work.bodies["build.a"] = [](const Invocation&, Context& context) {
    std::string all;
    for (int i = 0; i < 10000; ++i) all += fmt::format("line {}\n", i);
    for (std::size_t i = 0; i < all.size(); i += 977) context.log(std::string_view(all).substr(i, 977));
    for (int i = 0; i <= 1000; ++i) context.progress({"pulling", i, 1000, "B"});
    context.log("no newline at the end");
    return Outcome::success();
  };
  std::string text;
  int progress = 0;
  r.on_event = [&](const Event& event) {
    if (const auto* log = std::get_if<StepLog>(&event.body)) text += log->text;
    if (std::holds_alternative<StepProgress>(event.body)) ++progress;
  };
  r.run();
  std::string expected;
  for (int i = 0; i < 10000; ++i) expected += fmt::format("line {}\n", i);
  CHECK(text == expected + "no newline at the end");
  CHECK(r.step("build.a").log_lines == 10001);
  CHECK(progress >= 2);
  CHECK(progress < 500);
}
