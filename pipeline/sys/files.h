// Files and folders: whole reads, atomic writes, locks, safe names.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "sys/fd.h"

namespace slipway {

namespace fs = std::filesystem;

// The whole file; throws Error (usage when `what` the user named is missing or unreadable). `limit` in bytes.
std::string read_file(const fs::path& path, std::uint64_t limit = 1ull << 30);
std::optional<std::string> read_file_if_exists(const fs::path& path, std::uint64_t limit = 1ull << 30);
// Temp file beside, write, fsync, rename, fsync of the folder: a reader sees the old or the new file, whole.
void write_file_atomic(const fs::path& path, std::string_view content, mode_t mode = 0644);
void append_file(const fs::path& path, std::string_view content);
void make_dirs(const fs::path& path, mode_t mode = 0755);
// Removes a tree without following links or crossing mounts; throws when something stays.
void remove_tree(const fs::path& path);

// A folder that is removed with its owner.
class TempDir {
 public:
  explicit TempDir(const fs::path& parent, std::string_view prefix = "tmp-");
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;
  ~TempDir();
  const fs::path& path() const { return path_; }
  fs::path release() { return std::exchange(path_, {}); }

 private:
  fs::path path_;
};

// An advisory lock (flock) that dies with its owner, also on kill -9.
class FileLock {
 public:
  static FileLock wait(const fs::path& path);                     // blocks
  static std::optional<FileLock> try_lock(const fs::path& path);  // nullopt when another holds it
 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// The folders slipway keeps things in (DESIGN "On disk"); SLIPWAY_CACHE_DIR and SLIPWAY_STATE_DIR win over
// XDG.
struct Dirs {
  fs::path cache;  // $XDG_CACHE_HOME/slipway: git mirrors, blobs, snapshots, cache index
  fs::path state;  // $XDG_STATE_HOME/slipway: runs, releases, local target
};
Dirs user_dirs();

// True when `name` is one path component that is safe to create: not empty, ".", "..", no '/', NUL or
// control.
bool is_safe_name(std::string_view name);
// `path` made relative to and kept inside `root`, without touching the disk; nullopt when it would leave it.
std::optional<fs::path> path_inside(const fs::path& root, std::string_view path);

}  // namespace slipway
