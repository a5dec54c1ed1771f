// The flags that every command takes.
#include "cli/command.h"

namespace slipway::cli {

void add_global_options(CLI::App& app, Session& session) {
  app.require_subcommand(1);
  app.fallthrough();
  app.set_help_flag("-h,--help", "print this help and exit");
  app.set_version_flag("--version", "slipway " SLIPWAY_VERSION);
  app.add_option("-f,--file", session.spec_file,
                 "the spec (default: slipway.yaml here or in a folder above)");
  app.add_option("-e,--env", session.environment, "environment of the spec");
  app.add_option("--var", session.vars, "NAME=VALUE: a variable of the spec; wins over its own")
      ->allow_extra_args(false);
  app.add_option("--progress", session.progress, "how progress is shown on stderr")
      ->check(CLI::IsMember({"auto", "tty", "plain", "json", "quiet"}));
  app.add_option("-o,--output", session.output, "form of the result on stdout")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--color", session.color, "colour on stderr")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--events", session.events, "also write the event stream: FILE, - (stdout) or fd:N");
  app.add_flag("-y,--yes", session.yes, "answer yes to every question");
  app.add_flag("-v,--verbose", session.verbose, "more detail");
}

}  // namespace slipway::cli
