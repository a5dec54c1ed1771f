// slipway approve, slipway deny: the answer to a run that waits for one.
#include "cli/command.h"
#include "cli/text.h"
#include "plugins/gate/decision.h"
#include "run/journal.h"

namespace slipway::cli {

namespace {

struct Open {
  std::string run;
  gate::Question question;
};

std::vector<Open> open_questions(const fs::path& state, const std::vector<RunFolder>& runs,
                                 const std::string& environment) {
  std::vector<Open> out;
  for (const auto& run : runs)
    for (auto& question : gate::open_questions(gate::questions_folder(state, run.id)))
      if ((environment.empty() || question.environment == environment) && run.running())
        out.push_back({run.id, std::move(question)});
  return out;
}

std::string title(const Open& open) {
  return fmt::format("{} → {}, run {}", open.question.project, open.question.environment, open.run);
}

Open the_one(const Session& session, const std::string& run) {
  const auto& state = session.dirs.state;
  const auto runs = run.empty() ? list_runs(state) : std::vector{find_run(state, run)};
  auto open = open_questions(state, runs, session.environment);
  const auto where =
      session.environment.empty() ? "" : fmt::format(" to roll out to `{}`", session.environment);
  if (open.empty() && !run.empty())
    throw Error(ExitCode::usage, fmt::format("run `{}` does not wait for approval{}", run, where))
        .hint("`slipway runs` lists those that wait");
  if (open.empty())
    throw Error(ExitCode::usage, fmt::format("no run waits for approval{}", where))
        .hint(fmt::format("runs of this machine whose state folder is {} are known here", state.string()));
  if (open.size() > 1) {
    Error error(ExitCode::usage, fmt::format("{} runs wait for approval: which one?", open.size()));
    for (const auto& one : open) error.detail(title(one));
    throw error.hint(fmt::format("name it: `slipway approve {}`", open.front().run));
  }
  return open.front();
}

void answer(const Session& session, const std::string& run, const std::string& word, const std::string& why) {
  const auto open = the_one(session, run);
  gate::decide(gate::questions_folder(session.dirs.state, open.run), open.question, word, why, "command");
  if (session.output == "json") {
    const json out = {{"run", open.run},
                      {"environment", open.question.environment},
                      {"answer", word},
                      {"by", own_account().name},
                      {"images", open.question.images}};
    fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {}\n", word, harmless(title(open)));
  for (const auto& line : open.question.lines) fmt::print("  {}\n", harmless(line));
}

}  // namespace

void add_approve(CLI::App& app, Session& session) {
  struct Flags {
    std::string run, why;
  };
  const auto add = [&](const char* name, const char* help, const char* word) {
    auto* command = app.add_subcommand(name, help);
    auto flags = std::make_shared<Flags>();
    command->add_option("run", flags->run, "its id (default: the only one that waits; --env narrows it)");
    auto* why = command->add_option("--why", flags->why, "a reason, kept with the run");
    if (std::string_view(word) == "denied") why->required();
    command->callback([flags, word, &session] { answer(session, flags->run, word, flags->why); });
  };
  add("approve", "let a run that waits for approval go on", "approved");
  add("deny", "end a run that waits for approval", "denied");
}

}  // namespace slipway::cli
