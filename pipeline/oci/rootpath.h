// Paths inside a root file system, resolved as a process with that root would.
#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::oci {

namespace fs = std::filesystem;

// `path` with every link followed and "." and ".." resolved, never leaving `root`; relative, "" for the root
// itself. What does not exist stays as written. Throws Error(failed) after 40 links.
std::string resolve_in(const fs::path& root, std::string_view path, bool follow_last = true);

// Where a link would really lead when it is not held inside: true when the link at `path` (resolved up to
// itself) leads out of `root`.
bool leaves_root(const fs::path& root, std::string_view path);

// lstat of a path that resolve_in gave; nullopt when it is not there.
std::optional<struct stat> stat_in(const fs::path& root, const std::string& resolved);

}  // namespace slipway::oci
