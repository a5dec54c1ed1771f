// The commands below `slipway image`; each lives in its own cmd_image_NAME.cpp.
#pragma once
#include "cli/command.h"

namespace slipway::cli {

void add_image_build(CLI::App& image, Session& session);

}  // namespace slipway::cli
