// slipway render: the objects that a rollout would write, as YAML; the cluster is not asked.
#include "cli/project.h"
#include "run/forecast.h"

namespace slipway::cli {

namespace {

Step& deploy_step(Plan& plan) {
  for (auto& step : plan.steps)
    if (step.phase == "deploy") return step;
  throw Error(ExitCode::usage, "no environment to roll out to")
      .hint("add one under `environments`, or name one with --env");
}

void render(Session& session) {
  PlanOptions options;
  options.phases = {"deploy"};
  auto plan = make_plan(load_project(session), options);
  auto& step = deploy_step(plan);
  if (!session.plugins->get(step.uses, plan.project_dir).info().find("render"))
    throw Error(ExitCode::usage,
                fmt::format("the target `{}` writes no objects that could be printed", step.uses))
        .hint("name an environment of a cluster with --env");
  step.action = "render";
  StepCache cache(session.dirs.cache);
  EngineOptions engine;
  engine.dirs = session.dirs;
  for (const auto& one : forecast(plan, *session.plugins, cache, engine, session.stop)) {
    if (one.step != step.id) continue;
    if (!one.preview.contains("manifests"))
      throw Error(ExitCode::usage, fmt::format("the images are not known yet: {}", summarize(one)))
          .hint("`slipway push` builds and pushes them");
    fmt::print("{}", one.preview.at("manifests").get<std::string>());
  }
}

}  // namespace

void add_render(CLI::App& app, Session& session) {
  auto* command =
      app.add_subcommand("render", "print what a rollout would write to the cluster, secrets masked");
  command->callback([&session] { render(session); });
}

}  // namespace slipway::cli
