// slipway version
#include "cli/command.h"

namespace slipway::cli {

void add_version(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("version", "print the version and what it was built with");
  command->callback([&session] {
    if (session.output == "json") {
      fmt::print("{}\n", nlohmann::json{{"version", SLIPWAY_VERSION}}.dump());
    } else {
      fmt::print("slipway {}\n", SLIPWAY_VERSION);
    }
  });
}

}  // namespace slipway::cli
