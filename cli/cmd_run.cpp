// slipway run, and its parts: build, test, push, deploy
#include "cli/plan_source.h"
#include "cli/run_command.h"

namespace slipway::cli {

namespace {

struct Flags {
  PlanRequest request;
  RunFlags run;
};

CLI::App* add(CLI::App& app, Session& session, const char* name, const char* help,
              std::set<std::string> phases) {
  auto* command = app.add_subcommand(name, help);
  auto flags = std::make_shared<Flags>();
  flags->request.phases = std::move(phases);
  command->add_option("names", flags->request.only,
                      "images, tests, services or steps: only these and what they need");
  add_run_flags(*command, flags->run);
  if (flags->request.phases.empty()) {
    command->add_option("--plan", flags->request.file, "run a plan saved by `slipway plan --out FILE`");
    command
        ->add_option("--phase", flags->request.phases, "only build, test, push or deploy, and what they need")
        ->check(CLI::IsMember({"build", "test", "push", "deploy"}))
        ->allow_extra_args(false);
  }
  command->callback([flags, &session] {
    if (!flags->request.file.empty() && (!flags->request.only.empty() || !flags->request.phases.empty()))
      throw Error(ExitCode::usage, "a saved plan is run whole").hint("leave out the names and --phase");
    run_plan_command(session, plan_for(session, flags->request), flags->run);
  });
  return command;
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  add(app, session, "run", "build, test, push and roll out: all that the spec says", {});
}

void add_parts(CLI::App& app, Session& session) {
  add(app, session, "build", "build the images", {"build"});
  add(app, session, "test", "run the tests, and build what they need", {"test"});
  add(app, session, "push", "push the images, after their tests", {"push"});
  add(app, session, "deploy", "roll out to the environment, after builds, tests and pushes", {"deploy"});
}

}  // namespace slipway::cli
