// What a build gets to see: a folder as a tar, without what .dockerignore leaves out.
#pragma once
#include <filesystem>
#include <string>

namespace slipway::docker {

namespace fs = std::filesystem;

// A file below `scratch`. `dockerfile`, a path below the context, is in it whatever is ignored. Throws
// Error(failed) for what no tar holds.
fs::path pack_context(const fs::path& context, const std::string& dockerfile, const fs::path& scratch);

}  // namespace slipway::docker
