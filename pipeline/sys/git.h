// Sources: the user's own folder as it stands, or a commit of a remote repository. libgit2 stays below.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/secret.h"

namespace slipway::git {

namespace fs = std::filesystem;

// What a source is at one moment.
struct Snapshot {
  fs::path path;               // the folder that holds it
  std::string commit, branch;  // 40 hex; "" where there is none (no repository, no commit, detached HEAD)
  int dirty = 0;               // files that differ from the commit, untracked ones too, ignored ones not
  // Folder (as it was asked for) → the id of its content: the git tree id that it has or would have when
  // everything in it, but what is ignored, were committed.
  std::map<std::string, std::string> trees;
};

// Reads the user's own folder, changing nothing in it: as quick as `git status`. A folder that is in no
// repository is read whole, ignoring nothing but `.git`. `folders` are relative to it; none: {"."}.
// `memory_dir` keeps which files were read (StatCache). Throws Error(usage) for folders that are not there or
// lead out of it.
Snapshot read_folder(const fs::path& folder, const std::vector<std::string>& folders,
                     const fs::path& memory_dir);

}  // namespace slipway::git
