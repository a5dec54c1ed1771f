// slipway logs: what the services write.
#include <cstdio>

#include "cli/signals.h"
#include "cli/target.h"

namespace slipway::cli {

void add_logs(CLI::App& app, Session& session) {
  struct Flags {
    std::vector<std::string> services;
    bool follow = false;
    std::size_t tail = 100;
  };
  auto* command = app.add_subcommand("logs", "what the services wrote, each line with its replica");
  const auto target = add_target_flags(*command);
  auto flags = std::make_shared<Flags>();
  command->add_option("services", flags->services, "only of these (default: all)");
  command->add_flag("-f,--follow", flags->follow, "go on until interrupted");
  command->add_option("-n,--tail", flags->tail, "lines of each replica (default: 100)");
  command->callback([&session, target, flags] {
    const json params = {{"services", flags->services}, {"follow", flags->follow}, {"tail", flags->tail}};
    run_target(session, *target, "logs", params, stdout);
    if (session.stop.stop_requested()) session.exit_code = Signals::exit_code();
  });
}

}  // namespace slipway::cli
