// Folders for work in progress below the cache: gone with their owner, and swept by the next one when their
// owner was killed.
#pragma once
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "sys/files.h"

namespace slipway::oci {

// cache_dir/scratch/PREFIX-XXXXXX, locked (flock) as long as it lives. A folder whose lock nobody holds
// belonged to a process that is dead: making a Scratch removes those first.
class Scratch {
 public:
  Scratch(const fs::path& cache_dir, std::string_view prefix);
  Scratch(Scratch&&) noexcept = default;
  ~Scratch();
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  std::optional<FileLock> lock_;
};

// The folders of dead owners, for `slipway doctor`.
std::vector<fs::path> abandoned_scratch(const fs::path& cache_dir);

}  // namespace slipway::oci
