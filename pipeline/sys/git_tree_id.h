// The id that git would give to a folder as it stands: a tree of the repository with changes put over it,
// nothing written. The same content has the same id whether it is committed or not.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sys/git_handles.h"

namespace slipway::git {

inline constexpr unsigned kModeTree = 0040000, kModeFile = 0100644, kModeExecutable = 0100755,
                          kModeLink = 0120000, kModeCommit = 0160000;

// What stands at one place now.
struct Change {
  unsigned mode = 0;  // 0: nothing, it was removed
  std::string id;     // 40 hex
};

// Changes by path.
struct Changes {
  std::optional<Change> here;
  std::map<std::string, Changes, std::less<>> below;

  void set(std::string_view path, Change change);    // "a/b/c"
  const Changes* find(std::string_view path) const;  // "" or ".": itself; nullptr when nothing changed there
};

// The tree id of `base` (nullptr: empty) with what `changes` has below it. Base objects are read from
// `repository`, which may be nullptr when there is no base. Bounded by the depth of the paths.
std::string tree_id(git_repository* repository, const git_tree* base, const Changes& changes);

}  // namespace slipway::git
