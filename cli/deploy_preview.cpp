#include "cli/deploy_preview.h"

#include "cli/project.h"
#include "run/forecast.h"

namespace slipway::cli {

namespace {

Step* deploy_step(Plan& plan) {
  for (auto& step : plan.steps)
    if (step.phase == "deploy" && step.action == "apply") return &step;
  return nullptr;
}

Plan deploy_plan(const Session& session) {
  PlanOptions options;
  options.phases = {"deploy"};
  return make_plan(load_project(session), options);
}

}  // namespace

DeployPreview preview_deploy(Session& session, const std::string& action, bool with_secrets) {
  auto plan = deploy_plan(session);
  auto* step = deploy_step(plan);
  if (!step)
    throw Error(ExitCode::usage, "no environment to roll out to")
        .hint("add one under `environments`, or name one with --env");
  if (!session.plugins->get(step->uses, plan.project_dir).info().find(action))
    throw Error(ExitCode::usage,
                fmt::format("the target `{}` writes no objects that could be shown", step->uses))
        .hint("name an environment of a cluster with --env");
  step->action = action;
  StepCache cache(session.dirs.cache);
  EngineOptions engine;
  engine.dirs = session.dirs;
  Secrets secrets(plan);
  DeployPreview out{plan.name, plan.environment, step->uses, {}};
  for (const auto& one :
       forecast(plan, *session.plugins, cache, engine, session.stop, with_secrets ? &secrets : nullptr)) {
    if (one.step != step->id) continue;
    if (one.preview.empty())
      throw Error(ExitCode::usage, fmt::format("the images are not known yet: {}", summarize(one)))
          .hint("`slipway push` builds and pushes them");
    out.preview = mask_json(secrets.masker(), one.preview);
  }
  return out;
}

bool target_can(Session& session, const std::string& action) {
  auto plan = deploy_plan(session);
  const auto* step = deploy_step(plan);
  return step && session.plugins->get(step->uses, plan.project_dir).info().find(action);
}

}  // namespace slipway::cli
