// Runs on disk: what was written gives the same report again, whole or torn.
#include "run/journal.h"

#include <catch2/catch.hpp>

#include "support/fake_run.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// Runs with a journal; its folder.
RunFolder journaled(FakeRun& r) {
  Journal journal(r.dirs.state, r.plan.plan);
  r.options.run_id = journal.run_id();
  r.options.on_idle = [&] { journal.flush(); };
  r.on_event = [&](const Event& event) { journal.write(event); };
  r.run();
  return find_run(r.dirs.state, journal.run_id());
}

std::vector<json> lines(const std::vector<Event>& events) {
  std::vector<json> out;
  for (const auto& event : events) out.push_back(json::parse(to_line(event)));
  return out;
}

}  // namespace

TEST_CASE("a replayed journal gives the same events and the same report", "[run][journal]") {
  FakeRun r;
  r.plan.step("build.a").where = {"slipway.yaml", 4, 3, 2};
  r.plan.step("test.a", {"build.a"});
  r.work.bodies["build.a"] = [](const Invocation&, Context& context) {
    context.log("compiling\n\xff\xfe bytes\n", true);
    context.progress({"[1/2] COPY", 1, 2, "layers"});
    context.event("artifact", {{"name", "a"}, {"seq", 99}});
    return Outcome::success({{"digest", "sha256:1"}});
  };
  r.work.bodies["test.a"] = [](const Invocation&, Context& context) {
    context.event("test.case", {{"name", "adds"}, {"status", "failed"}});
    auto outcome = Outcome::failed("1 of 1 tests failed");
    outcome.detail = "got 3";
    return outcome;
  };
  const auto folder = journaled(r);
  std::vector<Event> replayed;
  Report report;
  folder.replay([&](const Event& event) {
    replayed.push_back(event);
    fold(report, event);
  });
  CHECK(lines(replayed) == lines(r.events));
  CHECK(report.result == r.report.result);
  CHECK(report.steps.size() == 2);
  CHECK(report.find("test.a")->tests.size() == 1);
  CHECK(report.find("test.a")->detail == "got 3");
  CHECK(report.find("build.a")->last_lines == std::vector<std::string>{"compiling", "\xff\xfe bytes"});
  CHECK(report.find("build.a")->artifacts[0] == json{{"name", "a"}});
  CHECK(to_json(folder.plan()) == to_json(r.plan.plan));
  CHECK_FALSE(folder.running());
}

TEST_CASE("a torn last line is left out, and the run counts as not finished", "[run][journal]") {
  FakeRun r;
  r.plan.step("build.a");
  const auto folder = journaled(r);
  const auto path = folder.path / "events.ndjson";
  const auto text = read_file(path);
  for (std::size_t cut = 1; cut < text.size() - text.rfind("\n{"); cut += 7) {
    write_file_atomic(path, text.substr(0, text.size() - cut));
    Report report;
    folder.replay([&](const Event& event) { fold(report, event); });
    CHECK_FALSE(report.finished);
    CHECK(report.find("build.a")->finished);
  }
}

TEST_CASE("a broken line in the middle is named", "[run][journal]") {
  const std::string good =
      R"({"v":1,"seq":0,"ts":"2026-11-23T19:17:05.297876Z","run":"r-1","step":"a","type":"step.started"})";
  std::string text;
  int events = 0;
  try {
    replay_events(good + "\nbroken\n" + good + "\n", "events.ndjson", [&](const Event&) { ++events; });
  } catch (const Error& e) {
    text = e.str();
  }
  CHECK(text == "events.ndjson:2:1: this is no event of slipway");
  CHECK(events == 1);
}

TEST_CASE("lines of unknown types are passed over, and unknown versions refused", "[run][journal]") {
  const std::string envelope = R"("seq":0,"ts":"2026-11-23T19:17:05.297876Z","run":"r-1")";
  int events = 0;
  replay_events("{\"v\":1," + envelope + ",\"type\":\"step.dreamt\"}\n", "x",
                [&](const Event&) { ++events; });
  CHECK(events == 0);
  CHECK_THROWS_AS(
      replay_events("{\"v\":2," + envelope + ",\"type\":\"heartbeat\"}\n", "x", [](const Event&) {}), Error);
}

TEST_CASE("run ids rise, and old runs go", "[run][journal]") {
  TempDir dir(fs::temp_directory_path(), "slipway-journal-");
  Plan plan;
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(Journal(dir.path(), plan).run_id());
  CHECK(ids[0] == "r-1");
  CHECK(ids[9] == "r-a");
  CHECK(ids[35] == "r-10");
  retain_runs(dir.path(), 3);
  const auto kept = list_runs(dir.path());
  REQUIRE(kept.size() == 3);
  CHECK(kept.front().id == ids[37]);
  CHECK(kept.back().id == ids[39]);
  CHECK(Journal(dir.path(), plan).run_id() == "r-15");
}

TEST_CASE("a run that is going is not removed", "[run][journal]") {
  TempDir dir(fs::temp_directory_path(), "slipway-journal-");
  Journal going(dir.path(), Plan());
  CHECK(find_run(dir.path(), going.run_id()).running());
  for (int i = 0; i < 5; ++i) Journal(dir.path(), Plan());
  retain_runs(dir.path(), 2);
  const auto kept = list_runs(dir.path());
  REQUIRE(kept.size() == 3);
  CHECK(kept.front().id == going.run_id());
}
