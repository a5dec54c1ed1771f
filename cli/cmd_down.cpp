// slipway down: everything that was rolled out is stopped and removed.
#include <unistd.h>

#include <iostream>

#include "cli/target.h"

namespace slipway::cli {

namespace {

// Data that is gone is gone: asked on a terminal, refused in a script that does not say --yes.
void confirm_removal(const Session& session) {
  if (session.yes) return;
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1)
    throw Error(ExitCode::usage, "`--volumes` removes the data of the services for good")
        .hint("say `--yes` with it, or leave the volumes where they are");
  fmt::print(stderr, "This removes the volumes with their data for good. Go on? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes") throw Error(ExitCode::denied, "nothing was done");
}

}  // namespace

void add_down(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("down", "stop everything; data in volumes stays unless --volumes");
  const auto target = add_target_flags(*command);
  auto volumes = std::make_shared<bool>(false);
  command->add_flag("--volumes", *volumes, "remove the volumes with their data too");
  command->callback([&session, target, volumes] {
    if (*volumes) confirm_removal(session);
    const auto outcome = run_target(session, *target, "down", {{"volumes", *volumes}});
    if (!outcome.ok) return;
    if (session.output == "json") {
      fmt::print("{}\n", outcome.outputs.dump(2));
      return;
    }
    const auto stopped = outcome.outputs.at("stopped").get<std::size_t>();
    if (stopped == 0)
      fmt::print("nothing runs\n");
    else
      fmt::print("{} replica{} stopped\n", stopped, stopped == 1 ? "" : "s");
    const auto kept = outcome.outputs.value("volumes", std::vector<std::string>{});
    if (!kept.empty())
      fmt::print("kept: volume{} {} (`slipway down --volumes` removes them)\n", kept.size() == 1 ? "" : "s",
                 fmt::join(kept, ", "));
  });
}

}  // namespace slipway::cli
