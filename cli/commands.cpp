// THE list of commands; each lives in its own cmd_NAME.cpp.
#include "cli/command.h"

namespace slipway::cli {

void add_init(CLI::App& app, Session& session);
void add_plan(CLI::App& app, Session& session);
void add_check(CLI::App& app, Session& session);
void add_plugin(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);
void add_schema(CLI::App& app, Session& session);
void add_cache(CLI::App& app, Session& session);
void add_image(CLI::App& app, Session& session);
void add_version(CLI::App& app, Session& session);
void add_render(CLI::App& app, Session& session);
void add_diff(CLI::App& app, Session& session);
void add_run(CLI::App& app, Session& session);
void add_parts(CLI::App& app, Session& session);
void add_resume(CLI::App& app, Session& session);
void add_approve(CLI::App& app, Session& session);
void add_why(CLI::App& app, Session& session);
void add_runs(CLI::App& app, Session& session);
void add_status(CLI::App& app, Session& session);
void add_releases(CLI::App& app, Session& session);
void add_logs(CLI::App& app, Session& session);
void add_promote(CLI::App& app, Session& session);
void add_abort(CLI::App& app, Session& session);
void add_rollback(CLI::App& app, Session& session);
void add_down(CLI::App& app, Session& session);
void add_doctor(CLI::App& app, Session& session);

const std::vector<AddCommand>& commands() {
  // clang-format off
  static const std::vector<AddCommand> list = {
      add_init,
      add_check,
      add_plan,
      add_render,
      add_diff,
      add_run,
      add_parts,
      add_resume,
      add_approve,
      add_why,
      add_runs,
      add_status,
      add_releases,
      add_logs,
      add_promote,
      add_abort,
      add_rollback,
      add_down,
      add_doctor,
      add_cache,
      add_image,
      add_plugin,
      add_schema,
      add_completion,
      add_version,
  };
  // clang-format on
  return list;
}

}  // namespace slipway::cli
