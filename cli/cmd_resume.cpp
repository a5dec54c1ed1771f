// slipway resume
#include "cli/project.h"
#include "cli/run_command.h"
#include "report/history.h"
#include "spec/load.h"

namespace slipway::cli {

namespace {

// The project's last run; of any project where there is no spec.
RunFolder run_to_resume(const Session& session, const std::string& id) {
  if (!id.empty()) return find_run(session.dirs.state, id);
  fs::path project;
  try {
    project = fs::weakly_canonical(find_spec(session.spec_file, fs::current_path())).parent_path();
  } catch (const Error&) {
    if (!session.spec_file.empty()) throw;
  }
  auto run = last_run(session.dirs.state, project);
  if (!run && !project.empty())
    throw Error(ExitCode::usage, fmt::format("nothing ran yet in `{}`", project.string()))
        .hint("start with `slipway run`, or name a run of `slipway runs`");
  if (!run) throw Error(ExitCode::usage, "nothing ran yet").hint("start with `slipway run`");
  return *run;
}

}  // namespace

void add_resume(CLI::App& app, Session& session) {
  struct Flags {
    std::string id;
    RunFlags run;
  };
  auto* command =
      app.add_subcommand("resume", "go on with the last run that did not succeed, by its own plan");
  auto flags = std::make_shared<Flags>();
  command->add_option("run", flags->id, "its id, as `slipway runs` lists it");
  add_run_flags(*command, flags->run);
  command->callback([flags, &session] {
    const auto run = run_to_resume(session, flags->id);
    if (run.running())
      throw Error(ExitCode::denied, fmt::format("run `{}` is still going on", run.id)).hint("stop it first");
    const auto report = report_of(run);
    if (report.finished && report.result == Result::success) {
      fmt::print(stderr, "run {} succeeded: there is nothing to resume\n", run.id);
      return;
    }
    std::map<std::string, DoneStep> done;
    for (const auto& step : report.steps)
      if (step.finished && step.result == Result::success && !step.key.empty())
        done[step.name] = {step.key, run.id, step.outputs};
    run_plan_command(session, run.plan(), flags->run, std::move(done));
  });
}

}  // namespace slipway::cli
