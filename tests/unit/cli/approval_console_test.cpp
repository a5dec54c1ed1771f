// How the consoles show a run that waits for somebody's word.
#include <catch2/catch.hpp>
#include <regex>

#include "cli/console.h"
#include "support/fake_run.h"
#include "support/screen.h"

using namespace slipway;
using namespace slipway::cli;
using namespace slipway::test;

namespace {

// A run of one step that asks; once `wanted` is on the screen it is answered.
struct Asking : FakeRun {
  Screen screen;
  std::string out, prompt, when_asked;
  std::unique_ptr<Console> console;
  Gate answered;

  explicit Asking(const std::string& mode) {
    ConsoleSettings settings;
    settings.report = &report;
    settings.stop = stop.get_token();
    settings.write = [this](std::string_view text) {
      out += text;
      if (!settings_plain) screen.write(text);
    };
    settings_plain = mode != "tty";
    settings.size = [] { return std::pair(24, 80); };
    settings.prompt = [this] { return prompt; };
    console = make_console(mode, settings);
    options.idle_every = Millis(20);
    options.on_idle = [this] {
      console->idle();
      const auto shown = settings_plain ? out : screen.text();
      if (!when_asked.empty() || shown.find("waits for sre") == std::string::npos ||
          shown.find("[y/N] y") == std::string::npos)
        return;
      when_asked = shown;
      prompt.clear();
      answered.open();
    };
    on_event = [this](const Event& event) {
      console->on(event);
      if (approval_asked(event)) prompt = "deploy shop r-1 to prod? [y/N] y";
    };
    plan.plan.environment = "prod";
    plan.step("approval.prod", {}, json::object(), "wait").phase = "approval";
    work.bodies["approval.prod"] = [this](const Invocation&, Context& context) {
      context.log("web: is replaced\n");
      context.progress({"waits for sre to approve", 0, 0, ""});
      context.event("approval",
                    {{"state", "asked"}, {"environment", "prod"}, {"lines", {"web: is replaced"}}});
      if (!answered.wait()) return Outcome::failed("the question was never shown");
      context.event("approval", {{"state", "approved"}, {"by", "anna"}, {"why", "looks good"}});
      return Outcome::success();
    };
    run();
  }
  static std::string times_alike(const std::string& text) {
    return std::regex_replace(text, std::regex("[0-9]+\\.[0-9]s"), "0.0s");
  }
  bool settings_plain = false;
};

}  // namespace

TEST_CASE("tty: what would change stays above, the question stands below all", "[cli]") {
  Asking r("tty");
  CHECK(Asking::times_alike(r.when_asked) == R"( ⏸ approval.prod
   │ web: is replaced
shop → prod  r-1  0/1  0.0s
 ⏸ approval.prod  waits for sre to approve                                 0.0s
deploy shop r-1 to prod? [y/N] y
)");
  CHECK(r.screen.text().find("[y/N]") == std::string::npos);
  CHECK(Asking::times_alike(r.screen.text()).find(" ✔ approval.prod  0.0s  approved by anna: looks good") !=
        std::string::npos);
}

TEST_CASE("plain: a step that waits is held, and the question has a line of its own", "[cli]") {
  Asking r("plain");
  CHECK(Asking::times_alike(r.out) == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  shop → prod
[../1] hold    approval.prod
approval.prod | web: is replaced
approval.prod > waits for sre to approve
deploy shop r-1 to prod? [y/N] y[ 1/1] ok      approval.prod  0.0s  approved by anna: looks good
✔ shop → prod done in 0.0s · run r-1 · 1 ran
)");
}

TEST_CASE("an approval that is none does no harm", "[cli]") {
  FakeRun r;
  r.plan.step("odd", {}, json::object(), "act");
  r.work.bodies["odd"] = [](const Invocation&, Context& context) {
    context.event("approval", {{"state", 5}, {"by", 7}});
    context.event("approval", {{"state", "approved"}, {"by", {1, 2}}, {"lines", "none"}});
    context.event("approval", {{"state", "asked"}, {"by", 7}, {"lines", {1, "two"}}});
    return Outcome::success();
  };
  r.run();
  CHECK(r.finished.exit == 0);
  REQUIRE(r.step("odd").decision);
  CHECK(r.step("odd").decision->by.empty());
}
