// What is done stays done: cached outcomes, and what makes a step run again.
#include <catch2/catch.hpp>
#include <thread>

#include "plan/explain.h"
#include "run/journal.h"
#include "support/fake_run.h"
#include "sys/digest.h"

using namespace slipway;
using namespace slipway::test;

namespace {

json reason_of(const FakeRun& r, const std::string& step) {
  return r.step(step).cache_reason;
}

}  // namespace

TEST_CASE("a second run does nothing and gives the same outputs", "[run][cache]") {
  FakeRun r;
  r.plan.step("build.a");
  r.plan.step("push.a", {"build.a"}, {{"image", {{"$ref", "build.a"}, {"path", "/made"}}}});
  r.run();
  CHECK(summarize_reason(reason_of(r, "build.a")) == "first run");
  const auto outputs = r.step("push.a").outputs;
  r.options.run_id = "r-2";
  r.run();
  CHECK(r.work.all_runs() == 2);
  CHECK(r.step("build.a").cached);
  CHECK(r.step("push.a").cached);
  CHECK(r.step("push.a").outputs == outputs);
  CHECK(summarize_reason(reason_of(r, "push.a")) == "from r-1");
  CHECK(r.story() == std::vector<std::string>{"run.started", "run.plan", "cache build.a hit",
                                              "step.finished build.a success", "cache push.a hit",
                                              "step.finished push.a success", "run.finished success"});
}

TEST_CASE("what joins the key makes a step run again, and the reason names it", "[run][cache]") {
  FakeRun r;
  auto& step = r.plan.step("build.a", {}, {{"args", {{"CC", "gcc"}}}, {"where", "/one"}});
  r.work.fingerprint = [](const Invocation&) { return json{{"files", {{"app.py", "1"}}}}; };
  r.run();
  std::string summary;
  int runs = 2;
  SECTION("a param") {
    step.params["args"]["CC"] = "clang";
    summary = "args/CC changed";
  }
  SECTION("a new param") {
    step.params["args"]["CFLAGS"] = "-O2";
    summary = "args/CFLAGS came";
  }
  SECTION("the environment") {
    step.env["LANG"] = "C";
    summary = "env came";
  }
  SECTION("a file") {
    r.work.fingerprint = [](const Invocation&) { return json{{"files", {{"app.py", "2"}}}}; };
    summary = "app.py changed";
  }
  SECTION("not a param that is out of the key") {
    step.params["where"] = "/two";
    summary = "from r-1";
    runs = 1;
  }
  r.run();
  CHECK(r.work.runs_of("build.a") == runs);
  CHECK(summarize_reason(reason_of(r, "build.a")) == summary);
}

TEST_CASE("a new version of the plugin runs its steps again", "[run][cache]") {
  FakeRun r;
  r.plan.step("build.a");
  r.run();
  Plugins newer;
  add_fake_plugin(newer, r.work, "2");
  StepCache cache(r.dirs.cache);
  Report report;
  run_plan(r.plan.plan, newer, cache, r.options, [&](const Event& e) { fold(report, e); }, {});
  CHECK(r.work.runs_of("build.a") == 2);
  CHECK(summarize_reason(report.find("build.a")->cache_reason) == "plugin version changed");
}

TEST_CASE("a step with cache off, an action that is not cacheable and --no-cache run every time",
          "[run][cache]") {
  FakeRun r;
  auto& step = r.plan.step("build.a");
  SECTION("cache: false") {
    step.cache = false;
  }
  SECTION("not cacheable") {
    step.action = "act";
  }
  SECTION("--no-cache") {
    r.options.no_cache = true;
  }
  r.run();
  r.run();
  CHECK(r.work.runs_of("build.a") == 2);
}

TEST_CASE("a run with --no-cache still stores what it made", "[run][cache]") {
  FakeRun r;
  r.plan.step("build.a");
  r.options.no_cache = true;
  r.run();
  r.options.no_cache = false;
  r.run();
  CHECK(r.work.runs_of("build.a") == 1);
}

TEST_CASE("a failure is never cached", "[run][cache]") {
  FakeRun r;
  r.plan.step("test.a");
  r.work.bodies["test.a"] = [](const Invocation&, Context&) { return Outcome::failed("red"); };
  r.run();
  r.run();
  CHECK(r.work.runs_of("test.a") == 2);
  CHECK(summarize_reason(reason_of(r, "test.a")) == "failed last time");
}

TEST_CASE("an outcome whose image or file is gone is made again", "[run][cache]") {
  FakeRun r;
  r.plan.step("build.a");
  const auto digest = Digest::of("a manifest");
  const auto blob = r.dirs.cache / "store" / "blobs" / "sha256" / digest.hex();
  const auto file = r.dir.path() / "report.txt";
  r.work.bodies["build.a"] = [&](const Invocation&, Context&) {
    make_dirs(blob.parent_path());
    write_file_atomic(blob, "a manifest");
    write_file_atomic(file, "x");
    return Outcome::success(
        {{"descriptor", {{"digest", digest.str()}, {"size", 10}}}, {"file", file.string()}});
  };
  r.run();
  r.run();
  CHECK(r.work.runs_of("build.a") == 1);
  fs::remove(GENERATE(0, 1) == 0 ? blob : file);
  r.run();
  CHECK(r.work.runs_of("build.a") == 2);
  CHECK(summarize_reason(reason_of(r, "build.a")) == "its outcome is no longer kept");
}

TEST_CASE("a slow fingerprint is asked on a thread of its own and joins the key", "[run][cache]") {
  FakeRun r;
  r.plan.step("source.a", {}, {{"ref", "main"}}, "slow");
  const auto engine_thread = std::this_thread::get_id();
  std::atomic<bool> elsewhere{false};
  std::string commit = "1";
  r.work.fingerprint = [&](const Invocation&) {
    elsewhere = std::this_thread::get_id() != engine_thread;
    return json{{"commit", commit}};
  };
  r.run();
  CHECK(elsewhere);
  r.run();
  CHECK(r.work.runs_of("source.a") == 1);
  commit = "2";
  r.run();
  CHECK(r.work.runs_of("source.a") == 2);
  CHECK(summarize_reason(reason_of(r, "source.a")) == "commit changed");
  r.work.fingerprint = [](const Invocation&) -> json { throw Error(ExitCode::unavailable, "no network"); };
  r.run();
  CHECK(r.result_of("source.a") == Result::error);
  CHECK(r.finished.exit == 6);
}

TEST_CASE("equal steps of one run are made once", "[run][cache]") {
  FakeRun r;
  for (const auto* name : {"build.a", "build.b", "build.c"}) r.plan.step(name, {}, {{"name", "same"}});
  r.run();
  CHECK(r.work.all_runs() == 1);
  CHECK(r.finished.result == Result::success);
}

TEST_CASE("two runs at once make a thing once", "[run][cache]") {
  FakeRun r;
  r.plan.step("build.a");
  Gate begun, go_on;
  r.work.bodies["build.a"] = [&](const Invocation&, Context&) {
    begun.open();
    go_on.wait();
    return Outcome::success({{"made", "once"}});
  };
  Report other;
  std::jthread second([&] {
    begun.wait();
    StepCache cache(r.dirs.cache);
    auto options = r.options;
    options.run_id = "r-2";
    run_plan(r.plan.plan, r.plugins, cache, options,
             [&](const Event& e) {
               fold(other, e);
               if (std::holds_alternative<StepStarted>(e.body)) go_on.open();
             },
             {});
  });
  r.run();
  second.join();
  CHECK(r.work.runs_of("build.a") == 1);
  CHECK(other.result == Result::success);
  CHECK(other.find("build.a")->cached);
}

TEST_CASE("a resumed run does not do the user's finished commands again, unless they changed",
          "[run][cache]") {
  FakeRun r;
  r.plan.step("step.notify", {}, {{"run", "mail"}}, "act");
  r.plan.step("push.a", {}, {{"image", "a"}}, "act");
  r.run();
  CHECK(r.report.find("step.notify")->cache_reason == json{{"why", "off"}});
  const auto key = r.step("step.notify").key;
  r.options.done["step.notify"] = {key, "r-1", {{"sent", 1}}};
  r.options.done["push.a"] = {key, "r-1", json::object()};
  r.run();
  CHECK(r.work.runs_of("step.notify") == 1);
  CHECK(r.step("step.notify").cached);
  CHECK(r.step("step.notify").outputs == json{{"sent", 1}});
  CHECK(summarize_reason(r.step("step.notify").cache_reason) == "done in r-1");
  CHECK(r.work.runs_of("push.a") == 2);  // looks at the registry itself
  r.plan.plan.steps[0].params["run"] = "mail -s";
  r.run();
  CHECK(r.work.runs_of("step.notify") == 2);
}

TEST_CASE("what was stored is found, whoever opens the cache", "[run][cache]") {
  TempDir dir(fs::temp_directory_path(), "slipway-cache-");
  std::vector<std::string> keys;
  {
    StepCache cache(dir.path());
    for (int i = 0; i < 3000; ++i) {
      keys.push_back(Digest::of(fmt::format("key {}", i)).hex());
      cache.store(keys.back(),
                  {{{"digest", keys.back()}, {"name", "users"}}, "r-1", now_micros(), Millis(5)});
    }
    cache.commit();
  }
  StepCache cache(dir.path());
  CHECK(cache.size() == 3000);
  for (const auto& key : keys) {
    const auto found = cache.lookup(key);
    REQUIRE(found);
    CHECK(found->outputs.at("digest") == key);
  }
  CHECK_FALSE(cache.lookup(Digest::of("another").hex()));
}

TEST_CASE("a damaged index is moved aside", "[run][cache]") {
  TempDir dir(fs::temp_directory_path(), "slipway-cache-");
  write_file_atomic(dir.path() / "index.sqlite", std::string(8192, 'x'));
  StepCache cache(dir.path());
  CHECK(cache.size() == 0);
  CHECK(fs::exists(dir.path() / "index.sqlite.damaged"));
}
