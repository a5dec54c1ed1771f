// A new repository from a folder of files.
#pragma once
#include <filesystem>
#include <string>

namespace slipway::git {

// Makes `folder` a repository (branch main) whose first commit holds everything in it that is not ignored.
// The author is the user's own (user.name and user.email), else slipway. Throws Error(usage) when it is one
// already.
void init_repository(const std::filesystem::path& folder, const std::string& message);

}  // namespace slipway::git
