// slipway render: the objects that a rollout would write, as YAML; the cluster is not asked.
#include "cli/deploy_preview.h"

namespace slipway::cli {

void add_render(CLI::App& app, Session& session) {
  auto* command =
      app.add_subcommand("render", "print what a rollout would write to the cluster, secrets masked");
  command->callback([&session] {
    const auto rendered = preview_deploy(session, "render", false);
    fmt::print("{}", rendered.preview.at("manifests").get<std::string>());
  });
}

}  // namespace slipway::cli
