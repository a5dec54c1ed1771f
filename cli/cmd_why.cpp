// slipway why
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "plan/explain.h"
#include "report/history.h"

namespace slipway::cli {

namespace {

// By its whole name, or by the image, test or service it is for: the step of that name which runs first.
const StepReport* find_step(const Report& report, const std::string& name) {
  if (const auto* step = report.find(name)) return step;
  for (const auto& step : report.steps) {
    const auto dot = step.name.find('.');
    if (dot != std::string::npos && std::string_view(step.name).substr(dot + 1) == name &&
        step.phase != "source")
      return &step;
  }
  return nullptr;
}

struct Answer {
  RunFolder run;
  Report report;
  const StepReport* step;
};

Answer look_up(const Session& session, const std::string& name, const std::string& run_id) {
  auto runs = list_runs(session.dirs.state);
  if (!run_id.empty()) runs = {find_run(session.dirs.state, run_id)};
  std::vector<std::string> names;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    Answer answer{*run, report_of(*run), nullptr};
    answer.step = find_step(answer.report, name);
    if (answer.step) return answer;
    for (const auto& step : answer.report.steps)
      if (names.size() < 1000) names.push_back(step.name);
  }
  throw Error(ExitCode::usage, run_id.empty() ? fmt::format("no kept run has a step `{}`", name)
                                              : fmt::format("run `{}` has no step `{}`", run_id, name))
      .hint(suggestion_hint(name, names));
}

std::string headline(const StepReport& step, const std::string& run) {
  const auto why = summarize_reason(step.cache_reason);
  if (step.cached)
    return fmt::format("{} did not run in {}: nothing it depends on changed{}", step.name, run,
                       why.empty() ? "" : ", outcome " + why);
  if (step.result == Result::skip && !step.started)
    return fmt::format("{} did not run in {}: {}", step.name, run,
                       step.message.empty() ? "the run ended before it" : step.message);
  const auto took = step.finished ? format_duration(step.took) : std::string("(unfinished)");
  if (why.empty()) return fmt::format("{} ran {} in {}: it always runs", step.name, took, run);
  return fmt::format("{} ran {} in {}: {}", step.name, took, run, why);
}

// Steps of the run that need this one, directly or not, and ran.
std::vector<std::string> ran_after(const RunFolder& run, const Report& report, const std::string& name) {
  std::set<std::string> reached = {name};
  run.replay([&](const Event& event) {
    const auto* plan = std::get_if<RunPlan>(&event.body);
    if (!plan) return;
    // Edges come in the order of their second step, which comes after all that it needs.
    for (const auto& edge : plan->edges)
      if (edge.is_array() && edge.size() == 2 && edge[0].is_string() && edge[1].is_string() &&
          reached.contains(edge[0].get<std::string>()))
        reached.insert(edge[1].get<std::string>());
  });
  std::vector<std::string> out;
  for (const auto& step : report.steps)
    if (step.name != name && reached.contains(step.name) && step.started && !step.cached)
      out.push_back(step.name);
  return out;
}

}  // namespace

void add_why(CLI::App& app, Session& session) {
  struct Flags {
    std::string name, run;
  };
  auto* command = app.add_subcommand("why", "say why a step ran, or did not, in its last run");
  auto flags = std::make_shared<Flags>();
  command->add_option("step", flags->name, "a step (`build.users`), or an image, test or service")
      ->required();
  command->add_option("--run", flags->run, "in this run");
  command->callback([flags, &session] {
    const auto [run, report, step] = look_up(session, flags->name, flags->run);
    const auto after = step->cached ? std::vector<std::string>() : ran_after(run, report, step->name);
    if (session.output == "json") {
      const json out = {{"step", step->name},           {"run", run.id},
                        {"cached", step->cached},       {"result", to_string(step->result)},
                        {"ms", step->took.count()},     {"key", step->key},
                        {"reason", step->cache_reason}, {"ran_after", after}};
      fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
      return;
    }
    fmt::print("{}\n", harmless(headline(*step, run.id)));
    if (const auto words = decision_words(*step); !words.empty())
      fmt::print("  {}, {} ({})\n", harmless(words), step->decision->at, step->decision->how);
    for (const auto& line : describe_reason(step->cache_reason)) fmt::print("  {}\n", harmless(line));
    if (!after.empty()) fmt::print("then ran: {}\n", fmt::join(after, ", "));
  });
}

}  // namespace slipway::cli
