// slipway plan: what a run would do and why; nothing is executed.
#include "base/clock.h"
#include "cli/project.h"
#include "run/forecast.h"

namespace slipway::cli {

namespace {

struct PlanFlags {
  std::vector<std::string> only;
  std::string out;
  bool exit_code = false, pull = false;
};

const char* word(Forecast::Will will) {
  switch (will) {
    case Forecast::Will::run:
      return "run";
    case Forecast::Will::reuse:
      return "reuse";
    case Forecast::Will::look:
      return "look";
  }
  return "";
}

void print_json(const Plan& plan, const std::vector<Forecast>& all, std::size_t runs) {
  json steps = json::array();
  for (const auto& one : all) {
    const auto& step = plan.steps[one.step];
    json needs = json::array();
    for (auto need : step.needs) needs.push_back(plan.steps[need].name);
    steps.push_back({{"name", step.name},
                     {"phase", step.phase},
                     {"uses", step.uses},
                     {"needs", needs},
                     {"will", word(one.will)},
                     {"reason", one.reason},
                     {"lines", one.lines}});
  }
  const json out = {
      {"name", plan.name}, {"environment", plan.environment}, {"changes", runs > 0}, {"steps", steps}};
  fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
}

void print_text(const Plan& plan, const std::vector<Forecast>& all, std::size_t runs, std::size_t reused) {
  std::size_t width = 0;
  for (const auto& step : plan.steps) width = std::max(width, step.name.size());
  fmt::print("{}{}\n", plan.name, plan.environment.empty() ? "" : " → " + plan.environment);
  for (const auto& one : all) {
    const auto why = summarize(one);
    fmt::print(" {:<{}}  {}\n", plan.steps[one.step].name, width,
               why.empty() ? word(one.will) : fmt::format("{:<5}  {}", word(one.will), why));
    for (const auto& line : one.lines) fmt::print(" {:<{}}    {}\n", "", width, line);
  }
  fmt::print("{} to run · {} reused · nothing was executed\n", runs, reused);
}

void plan_command(const PlanFlags& flags, Session& session) {
  PlanOptions options;
  options.only = flags.only;
  options.pull = flags.pull;
  const auto plan = make_plan(load_project(session), options);
  if (!flags.out.empty()) write_file_atomic(flags.out, to_json(plan).dump(1) + "\n");
  StepCache cache(session.dirs.cache);
  EngineOptions engine;
  engine.dirs = session.dirs;
  const auto all = forecast(plan, *session.plugins, cache, engine, session.stop);
  std::size_t runs = 0, reused = 0;
  for (const auto& one : all) {
    runs += one.will == Forecast::Will::run;
    reused += one.will == Forecast::Will::reuse;
  }
  if (session.output == "json")
    print_json(plan, all, runs);
  else
    print_text(plan, all, runs, reused);
  if (flags.exit_code && runs > 0) session.exit_code = static_cast<int>(ExitCode::changes_pending);
}

}  // namespace

void add_plan(CLI::App& app, Session& session) {
  auto flags = std::make_shared<PlanFlags>();
  auto* sub = app.add_subcommand("plan", "print what a run would do and why; executes nothing");
  sub->add_option("NAME", flags->only, "images, tests, services or steps: only these and what they need");
  sub->add_option("--out", flags->out, "save the plan to FILE, for `slipway run --plan FILE`");
  sub->add_flag("--exit-code", flags->exit_code, "end with 10 when something would run");
  sub->add_flag("--pull", flags->pull, "ask registries whether base tags have moved");
  sub->callback([flags, &session] { plan_command(*flags, session); });
}

}  // namespace slipway::cli
