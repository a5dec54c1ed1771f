// A layer taken apart: libarchive reads, we decide where each entry may go. Every folder on the way is opened
// without following links, so nothing is ever written outside the root, whatever the archive says.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/error.h"
#include "oci/layer.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kReserved = ".wh..wh.";
constexpr std::size_t kReadStep = 256u << 10;

// PAX names are UTF-8; libarchive converts them to the thread's locale, which must not lose any.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_) previous_ = ::uselocale(locale_);
  }
  ~Utf8Locale() {
    if (!locale_) return;
    ::uselocale(previous_);
    ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_, previous_{};
};

struct CloseArchive {
  void operator()(archive* handle) const { ::archive_read_free(handle); }
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ExitCode::unavailable, fmt::format("the layer holds `{}`: {}", path, why))
      .hint("this image is damaged or hostile; get it from somewhere else");
}

// The parts of an entry's path; none for the root itself.
std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from <= path.size();) {
    auto to = path.find('/', from);
    if (to == std::string::npos) to = path.size();
    const auto part = path.substr(from, to - from);
    if (part == "..") refuse(path, "a path that leads upwards");
    if (!part.empty() && part != ".") out.push_back(part);
    from = to + 1;
  }
  return out;
}

class Unpacker {
 public:
  Unpacker(const fs::path& root, const UnpackOptions& options) : root_path_(root), options_(options) {
    root_.reset(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) throw_errno(fmt::format("open `{}`", root.string()), errno);
  }

  void run(archive* source) {
    for (archive_entry* entry = nullptr;;) {
      const int got = ::archive_read_next_header(source, &entry);
      if (got == ARCHIVE_EOF) break;
      if (got < ARCHIVE_WARN) damaged(source);
      if (++entries_ > options_.max_entries)
        throw Error(ExitCode::unavailable,
                    fmt::format("the layer has more than {} entries", options_.max_entries));
      one(source, entry);
    }
    set_folder_times();
  }

 private:
  [[noreturn]] static void damaged(archive* source) {
    const char* why = ::archive_error_string(source);
    throw Error(ExitCode::unavailable,
                fmt::format("the layer is damaged: {}", why ? why : "its end is missing"));
  }

  void one(archive* source, archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    if (!raw) refuse("?", "a name that cannot be read");
    path_ = raw;
    auto parts = parts_of(path_);
    if (parts.empty()) return attributes_of_root(entry);
    const auto name = std::move(parts.back());
    parts.pop_back();
    const int parent = folder(parts);
    if (name.starts_with(kReserved)) {
      if (name == kOpaque) opaque(parent);
      return;  // others are bookkeeping of AUFS (image-spec layer.md, "Whiteouts")
    }
    if (name.starts_with(kWhiteout)) return whiteout(parent, name.substr(kWhiteout.size()));
    make(source, entry, parent, name);
  }

  // The folder of these parts, made where missing; owned by the cache below.
  int folder(const std::vector<std::string>& parts) {
    if (cached_ && parts == cached_parts_) return cached_.get();
    Fd at(::dup(root_.get()));
    for (const auto& part : parts) {
      Fd next(::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next && errno == ENOENT) {
        if (::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST) failed("make the folder of");
        next.reset(::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      }
      if (!next && (errno == ELOOP || errno == ENOTDIR))
        refuse(path_, fmt::format("`{}` on the way is no folder", part));
      if (!next) failed("open the folder of");
      at = std::move(next);
    }
    cached_ = std::move(at);
    cached_parts_ = parts;
    return cached_.get();
  }

  [[noreturn]] void failed(std::string_view what) const {
    throw_errno(fmt::format("{} `{}`", what, path_), errno);
  }

  void opaque(int parent) {
    if (options_.overlay_whiteouts) {
      if (::fsetxattr(parent, "trusted.overlay.opaque", "y", 1, 0) != 0) failed("mark as opaque");
      return;
    }
    const auto path = fmt::format("/proc/self/fd/{}", parent);
    for (const auto& inner : fs::directory_iterator(fs::read_symlink(path))) remove_tree(inner.path());
  }

  void whiteout(int parent, const std::string& name) {
    if (name.empty() || name == "." || name == "..") refuse(path_, "a whiteout of no file");
    clear(parent, name, false);
    if (options_.overlay_whiteouts && ::mknodat(parent, name.c_str(), S_IFCHR, 0) != 0)
      failed("make the whiteout");
  }

  // What an earlier entry left in the place; a folder stays for a folder.
  void clear(int parent, const std::string& name, bool for_folder) {
    struct stat there {};
    if (::fstatat(parent, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (S_ISDIR(there.st_mode)) {
      if (for_folder) return;
      cached_.reset();
      remove_tree(fs::read_symlink(fmt::format("/proc/self/fd/{}", parent)) / name);
    } else if (::unlinkat(parent, name.c_str(), 0) != 0) {
      failed("replace");
    }
  }

  void make(archive* source, archive_entry* entry, int parent_fd, const std::string& name) {
    const Fd parent(::dup(parent_fd));  // clear() may drop the cache
    const char* hardlink = ::archive_entry_hardlink(entry);
    const auto type = ::archive_entry_filetype(entry);
    clear(parent.get(), name, !hardlink && type == AE_IFDIR);
    if (hardlink) return link(parent.get(), name, hardlink);
    switch (type) {
      case AE_IFREG:
        return file(source, entry, parent.get(), name);
      case AE_IFDIR:
        if (::mkdirat(parent.get(), name.c_str(), 0700) != 0 && errno != EEXIST) failed("make the folder");
        folder_times_.emplace_back(path_, ::archive_entry_mtime(entry));
        break;
      case AE_IFLNK: {
        const char* target = ::archive_entry_symlink(entry);
        if (!target || ::symlinkat(target, parent.get(), name.c_str()) != 0) failed("make the link");
        break;
      }
      case AE_IFIFO:
        if (::mkfifoat(parent.get(), name.c_str(), 0600) != 0) failed("make the pipe");
        break;
      case AE_IFCHR:
      case AE_IFBLK: {
        const auto device = makedev(::archive_entry_rdevmajor(entry), ::archive_entry_rdevminor(entry));
        if (::mknodat(parent.get(), name.c_str(), (type == AE_IFCHR ? S_IFCHR : S_IFBLK) | 0600, device) !=
            0) {
          if (!options_.keep_owner) return;  // an ordinary user cannot make devices, and needs none
          failed("make the device");
        }
        break;
      }
      default:
        refuse(path_, "an entry of an unknown type");
    }
    attributes(entry, parent.get(), name, type == AE_IFLNK);
  }

  void link(int parent, const std::string& name, const char* target) {
    auto parts = parts_of(target);
    if (parts.empty()) refuse(path_, "a hard link to a folder");
    const auto file = std::move(parts.back());
    parts.pop_back();
    if (::linkat(folder(parts), file.c_str(), parent, name.c_str(), 0) != 0) {
      if (errno == ENOENT) refuse(path_, fmt::format("a hard link to `{}`, which is not there", target));
      failed("link");
    }
  }

  void file(archive* source, archive_entry* entry, int parent, const std::string& name) {
    const Fd fd(::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) failed("make");
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0, end = 0;
    for (int got; (got = ::archive_read_data_block(source, &data, &size, &offset)) != ARCHIVE_EOF;) {
      if (got < ARCHIVE_WARN) damaged(source);
      bytes_ += size;
      if (bytes_ > options_.max_bytes)
        throw Error(ExitCode::unavailable,
                    fmt::format("the layer unpacks to more than {} bytes", options_.max_bytes));
      for (std::size_t done = 0; done < size;) {
        const auto count = ::pwrite(fd.get(), static_cast<const char*>(data) + done, size - done,
                                    offset + static_cast<la_int64_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) failed("write");
        done += static_cast<std::size_t>(count);
      }
      end = offset + static_cast<la_int64_t>(size);
    }
    // A hole at the end has no block of its own.
    if (::archive_entry_size(entry) > end && ::ftruncate(fd.get(), ::archive_entry_size(entry)) != 0)
      failed("write");
    if (options_.keep_owner && ::fchown(fd.get(), owner(entry), group(entry)) != 0)
      failed("change the owner of");
    if (::fchmod(fd.get(), ::archive_entry_perm(entry) & 07777) != 0) failed("change the mode of");
    xattrs(entry, [&](const char* key, const void* value, std::size_t length) {
      return ::fsetxattr(fd.get(), key, value, length, 0);
    });
    const timespec times[] = {{::archive_entry_mtime(entry), 0}, {::archive_entry_mtime(entry), 0}};
    if (::futimens(fd.get(), times) != 0) failed("set the time of");
  }

  static uid_t owner(archive_entry* entry) { return static_cast<uid_t>(::archive_entry_uid(entry)); }
  static gid_t group(archive_entry* entry) { return static_cast<gid_t>(::archive_entry_gid(entry)); }

  // Only what describes the file itself: an archive may not set `trusted.overlay.*` or security labels.
  template <typename Set>
  void xattrs(archive_entry* entry, Set&& set) {
    ::archive_entry_xattr_reset(entry);
    const char* key = nullptr;
    const void* value = nullptr;
    std::size_t length = 0;
    while (::archive_entry_xattr_next(entry, &key, &value, &length) == ARCHIVE_OK) {
      const std::string_view name = key ? key : "";
      if (name != "security.capability" && !name.starts_with("user.")) continue;
      if (set(key, value, length) != 0 && errno != ENOTSUP && !(errno == EPERM && !options_.keep_owner))
        failed("set an attribute of");
    }
  }

  void attributes(archive_entry* entry, int parent, const std::string& name, bool is_link) {
    if (options_.keep_owner &&
        ::fchownat(parent, name.c_str(), owner(entry), group(entry), AT_SYMLINK_NOFOLLOW) != 0)
      failed("change the owner of");
    if (!is_link) {
      if (::fchmodat(parent, name.c_str(), ::archive_entry_perm(entry) & 07777, 0) != 0)
        failed("change the mode of");
      const auto path = fmt::format("/proc/self/fd/{}/{}", parent, name);
      xattrs(entry, [&](const char* key, const void* value, std::size_t length) {
        return ::lsetxattr(path.c_str(), key, value, length, 0);
      });
    }
    const timespec times[] = {{::archive_entry_mtime(entry), 0}, {::archive_entry_mtime(entry), 0}};
    if (::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) failed("set the time of");
  }

  void attributes_of_root(archive_entry* entry) {
    if (options_.keep_owner && ::fchown(root_.get(), owner(entry), group(entry)) != 0)
      failed("change the owner of");
    if (::fchmod(root_.get(), ::archive_entry_perm(entry) & 07777) != 0) failed("change the mode of");
    folder_times_.emplace_back("", ::archive_entry_mtime(entry));
  }

  // Last, and from the inside out: whatever is put into a folder changes its time.
  void set_folder_times() {
    for (auto it = folder_times_.rbegin(); it != folder_times_.rend(); ++it) {
      path_ = it->first;
      Fd at(::dup(root_.get()));
      bool there = true;
      for (const auto& part : parts_of(it->first)) {
        Fd next(::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next) {
          there = false;  // replaced by a later entry
          break;
        }
        at = std::move(next);
      }
      const timespec times[] = {{it->second, 0}, {it->second, 0}};
      if (there && ::futimens(at.get(), times) != 0) failed("set the time of");
    }
  }

  fs::path root_path_;
  const UnpackOptions& options_;
  Fd root_, cached_;
  std::vector<std::string> cached_parts_;
  std::string path_;  // of the entry at hand, as the archive writes it
  std::uint64_t entries_ = 0, bytes_ = 0;
  std::vector<std::pair<std::string, time_t>> folder_times_;
};

}  // namespace

void unpack_layer(const Store& store, const Descriptor& layer, const fs::path& root,
                  const UnpackOptions& options) {
  const Utf8Locale utf8;
  const std::unique_ptr<archive, CloseArchive> source(::archive_read_new());
  ::archive_read_support_filter_gzip(source.get());
  ::archive_read_support_filter_zstd(source.get());
  ::archive_read_support_format_tar(source.get());
  ::archive_read_support_format_empty(source.get());
  const auto path = store.blob_path(layer.digest);
  if (!store.has(layer))
    throw Error(ExitCode::unavailable, fmt::format("layer `{}` is not in the store", layer.digest.str()))
        .hint("build or pull the image again");
  if (::archive_read_open_filename(source.get(), path.c_str(), kReadStep) != ARCHIVE_OK)
    throw Error(ExitCode::unavailable, fmt::format("layer `{}` is damaged: {}", layer.digest.str(),
                                                   ::archive_error_string(source.get())));
  Unpacker(root, options).run(source.get());
}

}  // namespace slipway::oci
