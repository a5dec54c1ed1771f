#include "cli/target.h"

#include <cstdio>

#include "cli/project.h"
#include "cli/text.h"
#include "plan/service_params.h"
#include "sys/files.h"

namespace slipway::cli {

namespace {

class Printing : public Context {
 public:
  Printing(std::FILE* out, std::stop_token stop, bool verbose)
      : out_(out), stop_(std::move(stop)), verbose_(verbose) {}
  // What services wrote to stderr is as much the answer of `slipway logs` as the rest.
  void log(std::string_view text, bool) override {
    std::fwrite(text.data(), 1, text.size(), out_);
    std::fflush(out_);
  }
  void progress(const Progress& progress) override {
    if (verbose_) fmt::print(stderr, "{}\n", progress.text);
  }
  void event(std::string_view, json) override {}
  std::stop_token stop() const override { return stop_; }

 private:
  std::FILE* out_;
  std::stop_token stop_;
  bool verbose_;
};

}  // namespace

std::shared_ptr<TargetFlags> add_target_flags(CLI::App& command) {
  auto flags = std::make_shared<TargetFlags>();
  command.add_option("--project", flags->project, "name of the project, to work without a spec");
  return flags;
}

Outcome run_target(Session& session, const TargetFlags& flags, const std::string& action, json params,
                   std::FILE* out) {
  std::string kind = "local";
  Invocation invocation;
  invocation.project_dir = fs::current_path();
  if (flags.project.empty()) {
    const auto spec = load_project(session);
    const auto* environment = spec.environments.find(spec.environment);
    if (!environment)
      throw Error(ExitCode::usage,
                  fmt::format("`{}` has no environment to roll out to", spec.file.filename().string()))
          .hint("add one under `environments`, or name one with --env");
    params["project"] = spec.name.text;
    params["environment"] = environment->name;
    kind = environment->target.kind.text;
    if (auto target = target_params(environment->target); !target.empty())
      params["target"] = std::move(target);
    invocation.project_dir = spec.dir;
  } else {
    params["project"] = flags.project;
    params["environment"] = session.environment.empty() ? "local" : session.environment;
  }
  auto& plugin = session.plugins->get(kind, invocation.project_dir);
  if (!plugin.info().find(action))
    throw Error(ExitCode::usage, fmt::format("the target `{}` has no `{}`", kind, action));
  invocation.action = action;
  invocation.params = std::move(params);
  invocation.cache_dir = session.dirs.cache;
  invocation.state_dir = session.dirs.state;
  Printing context(out, session.stop, session.verbose);
  auto outcome = plugin.run(invocation, context);
  if (!outcome.ok) {
    fmt::print(stderr, "slipway: {}\n{}", outcome.failure, harmless(outcome.detail));
    session.exit_code = outcome.exit_code;
  }
  return outcome;
}

}  // namespace slipway::cli
