#include "cli/project.h"

#include "spec/load.h"

namespace slipway::cli {

Spec load_project(const Session& session) {
  LoadOptions options;
  options.environment = session.environment;
  for (const auto& pair : session.vars) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(ExitCode::usage, fmt::format("`{}` is no variable", pair)).hint("write --var NAME=VALUE");
    options.vars[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return load_spec(find_spec(session.spec_file, fs::current_path()), options);
}

}  // namespace slipway::cli
