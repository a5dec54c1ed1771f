#include "oci/pack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace slipway::oci {

namespace {

std::string attribute(const fs::path& path, const char* name) {
  char buffer[256];
  const auto n = ::lgetxattr(path.c_str(), name, buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

bool is_opaque(const fs::path& path) {
  return attribute(path, "trusted.overlay.opaque") == "y" || attribute(path, "user.overlay.opaque") == "y";
}

std::vector<std::string> sorted_names(const fs::path& dir) {
  std::vector<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    out.push_back(it->path().filename().string());
  if (ec) throw_errno(fmt::format("read the folder `{}`", dir.string()), ec.value());
  std::sort(out.begin(), out.end());
  return out;
}

class Packer {
 public:
  Packer(const Store& store, fs::path root, const PackOptions& options)
      : writer_(store), root_(std::move(root)), options_(options) {}

  std::optional<Layer> run() {
    folder("");
    if (writer_.empty()) return std::nullopt;
    return writer_.finish();
  }

 private:
  void folder(const std::string& relative) {
    for (const auto& name : sorted_names(root_ / relative)) {
      const auto path = relative.empty() ? name : relative + "/" + name;
      if (!options_.skip || !options_.skip(path)) one(path);
    }
  }

  void one(const std::string& path) {
    const auto full = root_ / path;
    struct stat st {};
    if (::lstat(full.c_str(), &st) != 0) throw_errno(fmt::format("read `{}`", full.string()), errno);
    if (S_ISCHR(st.st_mode) && st.st_rdev == 0) return writer_.whiteout(path);
    if (S_ISSOCK(st.st_mode)) return;  // nobody listens on it in another container
    Entry entry;
    entry.path = path;
    entry.mode = st.st_mode & 07777;
    entry.uid = st.st_uid;
    entry.gid = st.st_gid;
    entry.mtime = st.st_mtim.tv_sec < options_.since ? st.st_mtim.tv_sec : options_.mtime;
    entry.xattrs = layer_xattrs(full);
    switch (st.st_mode & S_IFMT) {
      case S_IFDIR:
        entry.type = Entry::Type::dir;
        writer_.add(entry);
        if (is_opaque(full)) writer_.opaque(path);
        folder(path);
        break;
      case S_IFREG:
        file(entry, full, st);
        break;
      case S_IFLNK:
        entry.type = Entry::Type::symlink;
        entry.mode = 0777;
        entry.link = fs::read_symlink(full).string();
        writer_.add(entry);
        break;
      default:
        entry.type = S_ISFIFO(st.st_mode)  ? Entry::Type::fifo
                     : S_ISCHR(st.st_mode) ? Entry::Type::character
                                           : Entry::Type::block;
        entry.dev_major = major(st.st_rdev);
        entry.dev_minor = minor(st.st_rdev);
        writer_.add(entry);
    }
    set_time(full, entry.mtime);
  }

  void file(Entry& entry, const fs::path& full, const struct stat& st) {
    if (st.st_nlink > 1) {
      const auto [first, added] = links_.emplace(std::pair(st.st_dev, st.st_ino), entry.path);
      if (!added) {
        entry.type = Entry::Type::hardlink;
        entry.link = first->second;
        entry.xattrs.clear();
        return writer_.add(entry);
      }
    }
    entry.size = static_cast<std::uint64_t>(st.st_size);
    writer_.add_file(entry, full);
  }

  void set_time(const fs::path& full, std::int64_t time) const {
    const timespec times[] = {{time, 0}, {time, 0}};
    if (::utimensat(AT_FDCWD, full.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
      throw_errno(fmt::format("set the time of `{}`", full.string()), errno);
  }

  LayerWriter writer_;
  fs::path root_;
  const PackOptions& options_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  // inode → the path that holds the content
};

}  // namespace

std::map<std::string, std::string> layer_xattrs(const fs::path& path) {
  std::map<std::string, std::string> out;
  char names[4096];
  const auto size = ::llistxattr(path.c_str(), names, sizeof names);
  for (ssize_t at = 0; at < size;) {
    const std::string name = names + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    if (name != "security.capability" && !(name.starts_with("user.") && !name.starts_with("user.overlay.")))
      continue;
    std::string value(65'536, '\0');
    const auto n = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (n < 0) continue;  // gone meanwhile, or not ours to read
    value.resize(static_cast<std::size_t>(n));
    // vfs_ns_cap_data, 24 bytes, ends with the user namespace's root; vfs_cap_data, 20 bytes, is the same
    // without.
    if (name == "security.capability" && value.size() == 24) {
      value.resize(20);
      value[3] = 0x02;
    }
    out.emplace(name, std::move(value));
  }
  return out;
}

std::optional<Layer> pack_tree(const Store& store, const fs::path& dir, const PackOptions& options) {
  try {
    return Packer(store, dir, options).run();
  } catch (Error& e) {
    e.trail("while packing a layer");
    throw;
  }
}

}  // namespace slipway::oci
