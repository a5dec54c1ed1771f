#include "run/step_setup.h"

#include <unistd.h>

#include <thread>

#include "base/suggest.h"
#include "plugin/schema.h"
#include "sys/files.h"

namespace slipway {

namespace {

const ActionInfo& find_action(const Plugin& plugin, const Step& step) {
  if (const auto* action = plugin.info().find(step.action)) return *action;
  // A step that names no action means the only one there is.
  if (step.action.empty() && plugin.info().actions.size() == 1) return plugin.info().actions[0];
  std::vector<std::string> names;
  for (const auto& action : plugin.info().actions) names.push_back(action.name);
  if (step.action.empty())
    throw Error(ExitCode::usage, fmt::format("which action of plugin `{}`?", step.uses))
        .hint("name it under `with`: `action: " + (names.empty() ? "…" : names[0]) + "`");
  throw Error(ExitCode::usage, fmt::format("plugin `{}` has no action `{}`", step.uses, step.action))
      .hint(suggestion_hint(step.action, names));
}

std::string wrong_params(const Plugin& plugin, const ActionInfo& action) {
  return fmt::format("wrong params for `{}.{}`", plugin.info().name, action.name);
}

}  // namespace

StepSetup::StepSetup(const Plan& plan, Plugins& plugins, const EngineOptions& options)
    : plan_(plan),
      options_(options),
      jobs_(options.jobs ? options.jobs : std::max(1u, std::thread::hardware_concurrency())),
      project_(plan.project_dir.string()),
      work_(options.dirs.cache / "work" / options.run_id),
      reports_(options.dirs.state / "runs" / options.run_id / "reports"),
      locks_(options.dirs.cache / "locks") {
  targets_.reserve(plan.steps.size());
  for (const auto& step : plan.steps) {
    try {
      if (!is_safe_name(step.name))
        throw Error(ExitCode::usage, fmt::format("`{}` is no name for a step", step.name));
      Plugin& plugin = plugins.get(step.uses, plan.project_dir);
      const auto& action = find_action(plugin, step);
      bool checked = true;
      SchemaOptions schema_options;
      // What other steps make is checked when they have made it.
      schema_options.unknown = [&checked](const json& value) {
        const bool later = value.is_object() && (value.contains("$ref") || value.contains("$join"));
        checked = checked && !later;
        return later;
      };
      require_schema(step.params, action.params, wrong_params(plugin, action), schema_options);
      if (step.preview && !action.can_preview)
        throw Error(ExitCode::usage,
                    fmt::format("`{}.{}` cannot tell what it would do", plugin.info().name, action.name));
      targets_.push_back({&plugin, &action, checked});
    } catch (Error& e) {
      if (!e.where().known()) e.at(step.where);
      throw;
    }
  }
}

Prepared StepSetup::prepare(const Step& step, const OutputsOf& outputs_of) const {
  const auto& target = targets_[step.id];
  Prepared prepared;
  prepared.plugin = target.plugin;
  prepared.action = target.action;
  prepared.cacheable = target.action->cacheable && step.cache && !step.preview;
  auto& invocation = prepared.invocation;
  invocation.action = target.action->name;
  invocation.params = resolve_references(step.params, outputs_of);
  if (!target.checked)
    require_schema(invocation.params, target.action->params, wrong_params(*target.plugin, *target.action));
  invocation.env = step.env;
  invocation.project_dir = plan_.project_dir;
  invocation.cache_dir = options_.dirs.cache;
  invocation.state_dir = options_.dirs.state;
  invocation.run_id = options_.run_id;
  invocation.step = step.name;
  return prepared;
}

std::vector<std::string> secrets_for(const Step& step, const ActionInfo& action) {
  const auto& declared = action.secrets;
  const auto is_declared = [&](const std::string& name) {
    return std::find(declared.begin(), declared.end(), name) != declared.end();
  };
  std::vector<std::string> out;
  for (const auto& name : step.secrets)
    if (is_declared("*") || is_declared(name)) out.push_back(name);
  return out;
}

bool StepSetup::waits(const Step& step) const {
  const auto& action = *targets_[step.id].action;
  return action.waits && !action.cacheable && !step.preview;
}

Job StepSetup::job(const Step& step, const Prepared& prepared) {
  if (!made_folders_) {
    make_dirs(work_, 0700);
    make_dirs(reports_, 0700);
    make_dirs(locks_, 0700);
    made_folders_ = true;
  }
  Job job;
  job.step = step.id;
  job.plugin = prepared.plugin;
  job.action = prepared.action;
  job.invocation = prepared.invocation;
  job.preview = step.preview;
  job.waits = waits(step);
  job.secrets = secrets_for(step, *prepared.action);
  job.retries = step.retries;
  job.backoff = options_.retry_backoff;
  job.lock_hash = prepared.key.hash;
  job.lock_dir = locks_;
  return job;
}

void StepSetup::clean_up() {
  if (!made_folders_) return;
  ::rmdir(work_.c_str());  // stays, for `slipway doctor`, when an abandoned step still uses it
  ::rmdir(reports_.c_str());
}

}  // namespace slipway
