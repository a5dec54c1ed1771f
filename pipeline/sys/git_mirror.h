// One bare repository below the cache for each remote: only ever added to, so that it may be read while
// another process fetches into it.
#pragma once
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "sys/git_remote.h"

namespace slipway::git {

// What a ref turned out to be.
struct Resolved {
  std::string commit;  // 40 hex, in the mirror
  std::string branch;  // "" for tags and commits
};

class Mirror {
 public:
  // Makes the mirror when it is not there. `git_dir`: cache_dir/"git".
  static Mirror open(const std::filesystem::path& git_dir, const GitUrl& url);
  git_repository* repository() const { return repository_.get(); }

  // The commit of `ref` (checked before by check_ref), fetched when it is not there. Without any network for
  // whole commit ids and tags that are there: those do not move (git fetch, too, keeps a tag that it has). A
  // branch, and the remote's HEAD for "", are looked up each time and fetched when their commit is not there.
  // Fetching is done by one process at a time. Throws what Remote throws, and Error(usage) naming near refs
  // when there is no such.
  Resolved resolve(const std::string& ref, const Secret& token, const OnProgress& progress,
                   std::stop_token stop) const;

 private:
  Mirror(std::filesystem::path dir, const GitUrl& url) : dir_(std::move(dir)), url_(url) {}
  std::optional<std::string> local(const std::string& revision) const;
  Resolved fetched(Remote& remote, const std::string& ref) const;

  std::filesystem::path dir_;
  GitUrl url_;
  Owned<git_repository> repository_;
};

}  // namespace slipway::git
