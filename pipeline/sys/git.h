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

// The id of a folder's whole content, in a repository or not.
std::string content_id(const fs::path& folder);

struct CheckoutOptions {
  std::string url;  // https, http, ssh, git, file, user@host:path, or a folder relative to base_dir
  fs::path base_dir;
  std::string ref;  // branch, tag or commit; "": the remote's HEAD
  bool submodules = false;
  fs::path below;                    // the source is this folder of the repository; relative
  std::vector<std::string> folders;  // below that; none: {"."}
  Secret token;                      // "TOKEN" or "USER:TOKEN"; goes to the URL's own server only
  fs::path cache_dir;
  // Called on the caller's thread, at most ten times a second.
  std::function<void(const std::string& text, std::int64_t current, std::int64_t total, const char* unit)>
      progress;
  std::stop_token stop;
};

// A commit as a folder below cache_dir/"git", made once and used again by everyone: not to be written to. The
// remote is asked only when Mirror::resolve has to. Throws Error: usage (URL, ref or folder), unavailable
// (6), auth (3), interrupted; whatever happens, what is there is whole.
Snapshot checkout(const CheckoutOptions& options);

// The repository that holds a folder of the user's, and where in it that is. Throws Error(usage) when none
// does.
struct Repository {
  fs::path top, below;
};
Repository find_repository(const fs::path& folder);

}  // namespace slipway::git
