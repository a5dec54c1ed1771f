// slipway image: the builder and the registry client on their own.
#include "cli/cmd_image.h"

namespace slipway::cli {

void add_image(CLI::App& app, Session& session) {
  auto* image = app.add_subcommand("image", "build, pull, push and inspect images without a spec");
  image->require_subcommand(1);
  add_image_build(*image, session);
}

}  // namespace slipway::cli
