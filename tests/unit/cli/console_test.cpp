// The consoles, fed by real runs of the engine with steps that do what the test says.
#include "cli/console.h"

#include <catch2/catch.hpp>
#include <regex>

#include "support/fake_run.h"
#include "support/screen.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::cli;
using namespace slipway::test;

namespace {

struct Watched : FakeRun {
  std::string out;
  Screen screen;
  std::unique_ptr<Console> console;
  ConsoleSettings settings;
  std::string mode;

  explicit Watched(std::string mode_, Look look = {}) : mode(std::move(mode_)) {
    options.jobs = 1;
    settings.report = &report;
    settings.look = look;
    settings.stop = stop.get_token();
    settings.write = [this](std::string_view text) {
      out += text;
      screen.write(text);
    };
    settings.size = [] { return std::pair(24, 60); };
    console = make_console(mode, settings);
    options.on_idle = [this] { console->idle(); };
    on_event = [this](const Event& event) { console->on(event); };
  }
  // What the console of one more run writes, with all times alike.
  std::string story() {
    out.clear();
    console = make_console(mode, settings);
    run();
    return times_alike(std::exchange(out, {}));
  }
  static std::string times_alike(const std::string& text) {
    return std::regex_replace(text, std::regex("[0-9]+\\.[0-9]s"), "0.0s");
  }
};

// Draws until `wanted` is on the screen: a console draws ten times a second at most.
bool eventually_drawn(Console& console, const Screen& screen, const std::string& wanted) {
  return eventually([&] {
    console.idle();
    return screen.text().find(wanted) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("plain: a line per step, logs behind their step's name, the failure at the end", "[cli]") {
  Watched r("plain");
  r.plan.plan.environment = "staging";
  r.plan.step("build.users");
  r.plan.step("build.gateway");
  auto& test = r.plan.step("test.users", {"build.users"});
  test.where = {"no-such-file.yaml", 14, 3, 4};
  r.plan.step("push.users", {"test.users"});
  r.work.bodies["build.users"] = [](const Invocation&, Context& context) {
    context.progress({"[1/2] FROM debian", 0, 0, ""});
    context.log("compiling\n\x1b[32mdone\x1b[0m\n");
    return Outcome::success();
  };
  r.work.bodies["test.users"] = [](const Invocation&, Context& context) {
    context.log("got 1, want 2\n");
    auto outcome = Outcome::failed("1 of 3 tests failed");
    outcome.detail = "test_totals: got 1, want 2";
    return outcome;
  };
  CHECK(r.story() == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  shop → staging
[../4] run     build.users    first run
build.users   > [1/2] FROM debian
build.users   | compiling
build.users   | done
[ 1/4] ok      build.users    0.0s
[../4] run     build.gateway  first run
[ 2/4] ok      build.gateway  0.0s
[../4] run     test.users     first run
test.users    | got 1, want 2
[ 3/4] FAIL    test.users     0.0s  failed: 1 of 3 tests failed
[ 4/4] skip    push.users     needs `test.users`, which failed

✘ test.users failed: 1 of 3 tests failed (after 0.0s)
  no-such-file.yaml:14:3
  test_totals: got 1, want 2
  its log
  │ got 1, want 2

✘ shop → staging FAILED after 0.0s (exit 1) · run r-1 · 1 failed, 2 ran, 1 skipped
  next  slipway resume r-1   goes on, keeps what is done
)");

  // The second time nothing but the failed step runs, and it says why.
  r.work.bodies.erase("test.users");
  CHECK(r.story() == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  shop → staging
[ 1/4] cached  build.users    from r-1
[ 2/4] cached  build.gateway  from r-1
[../4] run     test.users     failed last time
[ 3/4] ok      test.users     0.0s
[../4] run     push.users     first run
[ 4/4] ok      push.users     0.0s
✔ shop → staging done in 0.0s · run r-1 · 2 ran, 2 cached
)");

  // And the third time there is nothing to do.
  CHECK(r.story() == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  shop → staging
[ 1/4] cached  build.users    from r-1
[ 2/4] cached  build.gateway  from r-1
[ 3/4] cached  test.users     from r-1
[ 4/4] cached  push.users     from r-1
✔ shop → staging: nothing to do, all 4 steps are as they were · run r-1, 0.0s
)");
}

TEST_CASE("plain: many cached steps in a row are one line", "[cli]") {
  Watched r("plain");
  for (int i = 0; i < 30; ++i) r.plan.step(fmt::format("build.s{}", i));
  r.run();
  CHECK(r.story() == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  shop
[30/30] cached  30 steps, build.s0 to build.s29
✔ shop: nothing to do, all 30 steps are as they were · run r-1, 0.0s
)");
}

TEST_CASE("plain: an error names what to do, and a step that goes on in spite of it is told apart", "[cli]") {
  Watched r("plain", Look{false, false});
  r.plan.step("push.a").continue_on_error = true;
  r.work.bodies["push.a"] = [](const Invocation&, Context&) -> Outcome {
    throw Error(ExitCode::auth, "the registry wants a login").hint("run `slipway login`");
  };
  CHECK(r.story() == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  shop
[../1] run     push.a  first run
[ 1/1] ignored push.a  0.0s  cannot go on: the registry wants a login

FAIL push.a cannot go on: the registry wants a login (after 0.0s)
  hint: run `slipway login`

ok shop done in 0.0s - run r-1 - 1 failed and ignored
)");
}

TEST_CASE("plain: on GitHub the failure is marked in the spec", "[cli]") {
  Watched r("plain");
  r.settings.ci = "github";
  r.plan.step("test.a").where = {"slipway.yaml", 14, 3, 4};
  r.work.bodies["test.a"] = [](const Invocation&, Context&) { return Outcome::failed("100% red\nreally"); };
  CHECK(r.story().ends_with("::error file=slipway.yaml,line=14,title=test.a::failed: 100%25 red\n"));
}

TEST_CASE("json: the event stream as it is, quiet: failures only", "[cli]") {
  {
    Watched r("json");
    r.plan.step("build.a");
    r.run();
    std::string expected;
    for (const auto& event : r.events) expected += to_line(event);
    CHECK(r.out == expected);
  }
  Watched r("quiet");
  r.plan.step("build.a");
  r.run();
  CHECK(r.out.empty());
  r.plan.step("build.b");
  r.work.bodies["build.b"] = [](const Invocation&, Context&) { return Outcome::failed("no"); };
  CHECK(r.story() == R"(
✘ build.b failed: no (after 0.0s)

✘ shop FAILED after 0.0s (exit 1) · run r-1 · 1 failed, 1 cached
  next  slipway resume r-1   goes on, keeps what is done
)");
}

TEST_CASE("tty: what runs is redrawn, what has ended stays, nothing is wider than the terminal", "[cli]") {
  Watched r("tty");
  r.plan.plan.environment = "staging";
  r.plan.step("build.users");
  r.plan.step("build.gateway");
  std::string meanwhile;
  r.work.bodies["build.users"] = [&](const Invocation&, Context& context) {
    context.progress({"[6/9] RUN npm ci " + std::string(200, 'x'), 31'000'000, 58'000'000, "B"});
    context.log(std::string(300, 'y') + "\nadded 812 packages\n");
    return Outcome::success();
  };
  r.options.idle_every = Millis(1);
  bool logged = false;
  const auto feed = r.on_event;
  r.on_event = [&](const Event& event) {
    feed(event);
    // Drawn as it is when the log has come, whatever the clock says.
    if (std::get_if<StepLog>(&event.body) && !std::exchange(logged, true)) {
      REQUIRE(eventually_drawn(*r.console, r.screen, "added 812 packages"));
      meanwhile = Watched::times_alike(r.screen.text());
      CHECK(r.screen.widest() <= 60 + 4);  // "▸", "│" and "…" take three bytes and one column
    }
  };
  r.run();
  INFO(meanwhile);
  CHECK(meanwhile.find("shop → staging  r-1  0/2  0.0s\n ▸ build.users    [6/9] RUN npm ci xxx") == 0);
  CHECK(meanwhile.find("│ added 812 packages\n") != std::string::npos);
  CHECK(Watched::times_alike(r.screen.text()) == R"( ✔ build.users    0.0s
 ✔ build.gateway  0.0s
✔ shop → staging done in 0.0s · run r-1 · 2 ran
)");
}
