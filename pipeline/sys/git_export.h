// Writes a commit's files into a folder, as they are in the repository: no filters, no line ends changed, so
// that every machine gets the same bytes.
#pragma once
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "sys/git_handles.h"

namespace slipway::git {

struct Gitlink {
  std::string path, commit;  // a submodule's place
};

// `dir` is there and empty. Never writes outside it, whatever the tree holds: every entry is made new below
// an open folder, no link is ever walked through. Names that git itself would not make (`..`, `.git`, twice
// the same) are Error(usage). Submodules become empty folders and are returned.
std::vector<Gitlink> export_commit(git_repository* repository, const std::string& commit,
                                   const std::filesystem::path& dir, const std::stop_token& stop);

// A file of a commit; "" when it is not there. At most `limit` bytes, else Error(usage).
std::string read_file_of(git_repository* repository, const std::string& commit, const std::string& path,
                         std::size_t limit);

}  // namespace slipway::git
