// slipway rollback: an earlier release serves again.
#include "cli/target.h"

namespace slipway::cli {

void add_rollback(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("rollback", "bring the release before, or the one that is named, back");
  const auto target = add_target_flags(*command);
  auto release = std::make_shared<std::string>();
  command->add_option("release", *release, "such as r7 (default: the good one before)");
  command->callback([&session, target, release] {
    json params = json::object();
    if (!release->empty()) params["release"] = *release;
    const auto outcome = run_target(session, *target, "rollback", params);
    if (!outcome.ok) return;
    if (session.output == "json") {
      fmt::print("{}\n", outcome.outputs.dump(2));
      return;
    }
    const auto to = outcome.outputs.at("rolled_back_to").get<std::string>();
    if (outcome.outputs.at("changed").empty())
      fmt::print("nothing to do: {} serves\n", to);
    else
      fmt::print("{} serves again, as release {}\n", to, outcome.outputs.at("release").get<std::string>());
  });
}

}  // namespace slipway::cli
