// Steps that do no work but wait, for people or other runs: they are in nobody's way.
#include <catch2/catch.hpp>

#include "support/fake_run.h"

using namespace slipway;
using namespace slipway::test;

namespace {

Outcome until_stopped(const Invocation&, Context& context) {
  Gate never;
  never.wait(context.stop());
  throw Error(ExitCode::interrupted, "stopped");
}

}  // namespace

TEST_CASE("a step that waits takes no place of the jobs", "[engine]") {
  FakeRun r;
  r.options.jobs = 1;
  Gate decided;
  r.plan.step("approval.a", {}, json::object(), "wait");
  r.plan.step("approval.b", {}, json::object(), "wait");
  r.plan.step("work.a", {}, json::object(), "act");
  r.plan.step("work.b", {"work.a"}, json::object(), "act");
  for (const char* name : {"approval.a", "approval.b"})
    r.work.bodies[name] = [&](const Invocation&, Context&) {
      return decided.wait() ? Outcome::success() : Outcome::failed("the other steps never ran");
    };
  r.work.bodies["work.b"] = [&](const Invocation&, Context&) {
    decided.open();
    return Outcome::success();
  };
  r.run();
  CHECK(r.finished.result == Result::success);
  CHECK(r.step("approval.a").waits);
  CHECK_FALSE(r.step("work.a").waits);
}

TEST_CASE("nobody is waited for when another step has failed", "[engine]") {
  FakeRun r;
  r.options.jobs = 1;
  Gate asked;
  r.plan.step("approval.a", {}, json::object(), "wait");
  r.plan.step("deploy.a", {"approval.a"}, json::object(), "act");
  r.plan.step("work", {}, json::object(), "act");
  r.work.bodies["approval.a"] = [&](const Invocation& invocation, Context& context) {
    asked.open();
    return until_stopped(invocation, context);
  };
  r.work.bodies["work"] = [&](const Invocation&, Context&) {
    asked.wait();
    return Outcome::failed("red");
  };
  r.run();
  CHECK(r.finished.result == Result::failure);
  CHECK(r.finished.exit == 1);
  CHECK(r.result_of("approval.a") == Result::cancellation);
  CHECK(r.step("approval.a").message == "no longer waited for after `work` failed");
  CHECK(r.result_of("deploy.a") == Result::skip);

  // Going on, the answer still counts.
  r.options.keep_going = true;
  Gate red;
  r.work.bodies["work"] = [&](const Invocation&, Context&) { return Outcome::failed("red"); };
  r.on_event = [&](const Event& event) {
    if (event.step == "work" && std::holds_alternative<StepFinished>(event.body)) red.open();
  };
  r.work.bodies["approval.a"] = [&](const Invocation&, Context&) {
    return red.wait() ? Outcome::success() : Outcome::failed("`work` never ended");
  };
  r.run();
  CHECK(r.finished.exit == 1);
  CHECK(r.result_of("deploy.a") == Result::success);
}

TEST_CASE("^C ends the waiting", "[engine]") {
  FakeRun r;
  r.plan.step("approval.a", {}, json::object(), "wait");
  r.work.bodies["approval.a"] = [&](const Invocation& invocation, Context& context) {
    r.stop.request_stop();
    return until_stopped(invocation, context);
  };
  r.run();
  CHECK(r.finished.exit == 130);
  CHECK(r.result_of("approval.a") == Result::cancellation);
}

TEST_CASE("an approval that was given is not asked for again by resume, unless it is for something else",
          "[engine]") {
  FakeRun r;
  r.plan.step("approval.a", {}, {{"images", "one"}}, "wait").phase = "approval";
  r.run();
  const auto key = r.step("approval.a").key;
  CHECK_FALSE(key.empty());
  r.options.done["approval.a"] = {key, "r-1", {{"made", "approval.a"}}};
  r.run();
  CHECK(r.work.runs_of("approval.a") == 1);
  CHECK(r.step("approval.a").cached);
  r.plan.plan.steps[0].params = {{"images", "two"}};
  r.run();
  CHECK(r.work.runs_of("approval.a") == 2);
}

TEST_CASE("a step may tell what its action would do", "[engine]") {
  FakeRun r;
  r.plan.step("preview.a", {}, json::object(), "act").preview = true;
  CHECK_THROWS_WITH(r.run(), "`fake.act` cannot tell what it would do");
}
