// slipway check: is the spec right? All mistakes at once, nothing run.
#include "cli/project.h"
#include "run/step_setup.h"

namespace slipway::cli {

namespace {

std::string count(std::size_t number, const std::string& what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

void check(Session& session) {
  const auto spec = load_project(session);
  const auto plan = make_plan(spec);
  const EngineOptions options;
  StepSetup(plan, *session.plugins, options);  // is each plugin there, and does it take these params?
  if (session.output == "json") {
    const json result = {{"valid", true},
                         {"file", spec.file.string()},
                         {"name", spec.name.text},
                         {"environment", spec.environment},
                         {"images", spec.images.names()},
                         {"tests", spec.tests.names()},
                         {"services", spec.services.names()},
                         {"steps", plan.steps.size()}};
    fmt::print("{}\n", result.dump());
    return;
  }
  fmt::print("{} is valid: {}, {}, {}; {} steps{}\n", spec.file.filename().string(),
             count(spec.images.size(), "image"), count(spec.tests.size(), "test"),
             count(spec.services.size(), "service"), plan.steps.size(),
             spec.environment.empty() ? "" : fmt::format(" for environment {}", spec.environment));
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  auto* sub = app.add_subcommand("check", "check the spec and name every mistake; runs nothing");
  sub->callback([&session] { check(session); });
}

}  // namespace slipway::cli
