// slipway runs
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/result.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "plugins/gate/decision.h"
#include "report/history.h"

namespace slipway::cli {

namespace {

std::string state_words(const fs::path& state, const RunSummary& run) {
  switch (run.state) {
    case RunSummary::State::running:
      return gate::open_questions(gate::questions_folder(state, run.id)).empty() ? "running" : "approval?";
    case RunSummary::State::crashed:
      return "crashed";
    default:
      return std::string(to_string(run.result));
  }
}

void print_list(const Session& session, std::size_t count) {
  const auto runs = recent_runs(session.dirs.state, count);
  if (session.output == "json") {
    json out = json::array();
    for (const auto& run : runs) out.push_back(to_json(run));
    fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
    return;
  }
  if (runs.empty()) fmt::print(stderr, "nothing ran yet\n");
  for (const auto& run : runs) {
    const auto when = run.started ? format_utc(run.started).substr(0, 19) + "Z" : std::string("-");
    const auto took = run.state == RunSummary::State::ended ? format_duration(run.took) : std::string("-");
    const auto what = run.environment.empty() ? run.spec : run.spec + " " + run.environment;
    fmt::print("{:<8} {:<20} {:<12} {:>7}  {}\n", run.id, when, state_words(session.dirs.state, run), took,
               harmless(what));
  }
}

void print_run(const Session& session, const Report& report) {
  if (session.output == "json") {
    fmt::print("{}\n", result_json(report).dump(2, ' ', false, json::error_handler_t::replace));
    return;
  }
  std::size_t width = 0;
  for (const auto& step : report.steps) width = std::max(width, columns_of(step.name));
  for (const auto& step : report.steps) {
    const auto state = step.cached     ? "cached"
                       : step.finished ? to_string(step.result)
                       : step.started  ? std::string_view("unfinished")
                                       : std::string_view("not started");
    fmt::print("{}  {:<12} {:>7}  {}\n", pad(step.name, width), state, format_duration(step.took),
               step.message.empty() ? harmless(decision_words(step)) : first_line(step.message));
  }
  fmt::print("{}", report.finished ? summary_text(report, Look{}) : "the run did not end\n");
}

void print_log(const RunFolder& run, const std::string& step) {
  std::vector<std::string> names;
  bool found = false;
  run.replay([&](const Event& event) {
    if (const auto* plan = std::get_if<RunPlan>(&event.body)) {
      for (const auto& entry : plan->steps) names.push_back(entry.value("name", std::string()));
      found = std::find(names.begin(), names.end(), step) != names.end();
    }
    if (event.step != step) return;
    if (const auto* log = std::get_if<StepLog>(&event.body))
      for (auto line : lines_of(log->text)) fmt::print("{}\n", harmless(line));
  });
  if (!found)
    throw Error(ExitCode::usage, fmt::format("run `{}` has no step `{}`", run.id, step))
        .hint(suggestion_hint(step, names));
}

}  // namespace

void add_runs(CLI::App& app, Session& session) {
  struct Flags {
    std::string run, log;
    std::size_t count = 20;
  };
  auto* command = app.add_subcommand("runs", "list the kept runs, or tell of one");
  auto flags = std::make_shared<Flags>();
  command->add_option("run", flags->run, "tell of this run, step by step");
  command->add_option("--log", flags->log, "print the log of this step of the run");
  command->add_option("-n,--count", flags->count, "list so many (default: 20)");
  command->callback([flags, &session] {
    if (flags->run.empty() && !flags->log.empty())
      throw Error(ExitCode::usage, "--log wants the run too").hint("write `slipway runs RUN --log STEP`");
    if (flags->run.empty()) return print_list(session, flags->count);
    const auto run = find_run(session.dirs.state, flags->run);
    if (!flags->log.empty()) return print_log(run, flags->log);
    print_run(session, report_of(run));
  });
}

}  // namespace slipway::cli
