#include "report/history.h"

#include <catch2/catch.hpp>

#include "support/fake_run.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// A run with a journal; `cut` bytes are taken off its end, as a kill would.
std::string journalled(FakeRun& r, std::size_t cut = 0) {
  std::string id;
  fs::path events;
  {
    Journal journal(r.dirs.state, r.plan.plan);
    id = r.options.run_id = journal.run_id();
    events = journal.folder() / "events.ndjson";
    r.on_event = [&](const Event& event) { journal.write(event); };
    r.run();
  }
  if (cut) fs::resize_file(events, fs::file_size(events) - cut);
  return id;
}

}  // namespace

TEST_CASE("the list of runs tells how each ended, newest first", "[report]") {
  FakeRun r;
  r.plan.plan.environment = "staging";
  r.plan.step("build.a");
  journalled(r);
  r.plan.step("build.b");
  r.work.bodies["build.b"] = [](const Invocation&, Context& context) {
    context.log(std::string(200'000, 'x'));  // lines longer than the windows that are read
    return Outcome::failed("no");
  };
  journalled(r);
  journalled(r, 10);

  const auto runs = recent_runs(r.dirs.state, 10);
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].id == "r-3");
  CHECK(runs[0].state == RunSummary::State::crashed);
  CHECK(runs[1].state == RunSummary::State::ended);
  CHECK(runs[1].result == Result::failure);
  CHECK(runs[1].exit == 1);
  CHECK(runs[2].result == Result::success);
  CHECK(runs[2].spec == "shop");
  CHECK(runs[2].environment == "staging");
  CHECK(to_json(runs[2])["state"] == "ended");
  CHECK(recent_runs(r.dirs.state, 1).size() == 1);
}

TEST_CASE("a run killed before its first event is in the list all the same", "[report]") {
  FakeRun r;
  { Journal journal(r.dirs.state, r.plan.plan); }
  const auto runs = recent_runs(r.dirs.state, 10);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].state == RunSummary::State::crashed);
  CHECK(runs[0].started == 0);
}

TEST_CASE("a run that goes on now is told so, and is not the last one to resume", "[report]") {
  FakeRun r;
  r.plan.step("build.a");
  journalled(r);
  const Journal now(r.dirs.state, r.plan.plan);
  CHECK(recent_runs(r.dirs.state, 1).front().state == RunSummary::State::running);
  REQUIRE(last_run(r.dirs.state, r.plan.plan.project_dir));
  CHECK(last_run(r.dirs.state, r.plan.plan.project_dir)->id == "r-1");
  CHECK_FALSE(last_run(r.dirs.state, "/somewhere/else"));
}

TEST_CASE("the report of a kept run is the report of the live one", "[report]") {
  FakeRun r;
  r.plan.step("build.a");
  r.work.bodies["build.a"] = [](const Invocation&, Context& context) {
    context.log("one\ntwo\n");
    return Outcome::success({{"digest", "x"}});
  };
  const auto id = journalled(r);
  const auto report = report_of(find_run(r.dirs.state, id));
  REQUIRE(report.find("build.a"));
  CHECK(report.finished);
  CHECK(report.find("build.a")->last_lines == r.step("build.a").last_lines);
  CHECK(report.find("build.a")->outputs == r.step("build.a").outputs);
  CHECK(report.critical_path == r.report.critical_path);
}
