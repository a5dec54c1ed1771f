// What files hold, as git blob ids, without reading those again whose stat data says that they are as they
// were.
#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <unordered_map>

namespace slipway::git {

namespace fs = std::filesystem;

// One file on disk per source folder. It is only a memory: lost or damaged it costs a read of the files. One
// thread; two processes at once each write a whole file, and the last one stays.
class StatCache {
 public:
  explicit StatCache(fs::path file);  // read at the first question
  // The blob id (40 hex) of a regular file's bytes or of a symlink's target. `path` names the entry in the
  // cache; the file is opened as `name` below `dir_fd`, without following a link. Throws Error(usage) when it
  // cannot be read.
  std::string blob_id(const std::string& path, int dir_fd, const char* name, const struct stat& info);
  // Writes what was asked since, when anything was new. Throws nothing: a full disk only costs time.
  void save();

 private:
  struct Seen {
    std::string stamp;  // size, times, inode, mode
    std::string id;
  };
  void load();

  fs::path file_;
  bool loaded_ = false, changed_ = false;
  std::unordered_map<std::string, Seen> known_, asked_;
};

}  // namespace slipway::git
