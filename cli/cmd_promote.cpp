// slipway promote and abort: a person's word to a rollout that holds.
#include <pwd.h>
#include <unistd.h>

#include "cli/target.h"
#include "cli/text.h"

namespace slipway::cli {

namespace {

std::string user_name() {
  const auto* user = ::getpwuid(::getuid());
  return user ? user->pw_name : "user " + std::to_string(::getuid());
}

void tell(Session& session, const Outcome& outcome, const std::string& word) {
  if (!outcome.ok) return;
  if (session.output == "json") {
    fmt::print("{}\n", outcome.outputs.dump(2));
    return;
  }
  const auto rollout = outcome.outputs.at("rollout").get<std::string>();
  if (outcome.outputs.value("done", false)) {
    fmt::print("{} is taken back, {} serves\n", rollout, outcome.outputs.at("release").get<std::string>());
    return;
  }
  fmt::print("{} {}: {}\n", rollout, word, harmless(outcome.outputs.value("phase", "")));
}

}  // namespace

void add_promote(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("promote", "tell a rollout that holds (a canary, a switch) to go on");
  const auto target = add_target_flags(*command);
  auto all = std::make_shared<bool>(false);
  command->add_flag("--all", *all, "through every later hold of this rollout too");
  command->callback([&session, target, all] {
    tell(session, run_target(session, *target, "promote", {{"by", user_name()}, {"all", *all}}),
         "is promoted");
  });
}

void add_abort(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand(
      "abort", "tell a rollout that holds to go back; also takes back one whose slipway was killed");
  const auto target = add_target_flags(*command);
  auto why = std::make_shared<std::string>();
  command->add_option("--why", *why, "shown where the rollout runs, and kept with it");
  command->callback([&session, target, why] {
    json params = {{"by", user_name()}};
    if (!why->empty()) params["why"] = *why;
    tell(session, run_target(session, *target, "abort", params), "goes back");
  });
}

}  // namespace slipway::cli
