#include "sys/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "base/error.h"

namespace slipway {

namespace {

[[noreturn]] void cannot(const char* verb, const fs::path& path) {
  throw_errno(fmt::format("{} `{}`", verb, path.string()), errno);
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// nullopt: a file of /proc whose process has ended since it was opened.
std::optional<std::string> read_open(int fd, const fs::path& path, std::uint64_t limit) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) cannot("read", path);
  if (S_ISDIR(info.st_mode))
    throw Error(ExitCode::usage, fmt::format("`{}` is a folder, not a file", path.string()));
  std::string out;
  out.resize(
      static_cast<std::size_t>(std::min<std::uint64_t>(limit, static_cast<std::uint64_t>(info.st_size)) + 1));
  std::size_t size = 0;
  for (;;) {
    if (size == out.size()) out.resize(out.size() * 2);
    const auto n = ::read(fd, out.data() + size, out.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ESRCH) return std::nullopt;
    if (n < 0) cannot("read", path);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
    // All that the file has: no second question whether there is more. (Files of /proc say 0, of /sys 4096.)
    if (size <= limit && size > 0 && static_cast<off_t>(size) == info.st_size) break;
    if (size > limit)
      throw Error(ExitCode::usage, fmt::format("`{}` is larger than {} bytes", path.string(), limit));
  }
  out.resize(size);
  return out;
}

std::string random_suffix() {
  constexpr char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  thread_local std::mt19937_64 engine{std::random_device{}()};
  std::string out;
  for (int i = 0; i < 10; ++i) out += letters[engine() % 36];
  return out;
}

void sync_folder(const fs::path& folder) {
  Fd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot fsync a folder (EINVAL): there the rename itself is what they offer.
  if (fd && ::fsync(fd.get()) != 0 && errno != EINVAL) cannot("write", folder);
}

fs::path home() {
  const char* value = std::getenv("HOME");
  return value && *value ? fs::path(value) : fs::path("/root");
}

fs::path folder_from_env(const char* own, const char* xdg, const char* below_home) {
  if (const char* value = std::getenv(own); value && *value) return fs::absolute(value);
  // XDG base directory specification: a relative path is to be ignored.
  if (const char* value = std::getenv(xdg); value && *value == '/') return fs::path(value) / "slipway";
  return home() / below_home / "slipway";
}

// Removes what lies in the open folder `fd`; `device` keeps us from walking into another mount.
void remove_children(int fd, dev_t device, const fs::path& shown) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  DIR* dir = ::fdopendir(copy.get());
  if (!dir) cannot("remove", shown);
  copy.release();
  std::unique_ptr<DIR, int (*)(DIR*)> owner(dir, ::closedir);
  ::rewinddir(dir);
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      cannot("remove", shown / name);
    }
    if (S_ISDIR(info.st_mode)) {
      if (info.st_dev != device)
        throw Error(ExitCode::internal,
                    fmt::format("cannot remove `{}`: something is mounted there", (shown / name).string()));
      Fd child(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child && errno == EACCES && ::fchmodat(fd, name.c_str(), 0700, 0) == 0)
        child = Fd(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) cannot("remove", shown / name);
      // A folder without write permission keeps its children from being removed by anyone but root.
      if ((info.st_mode & 0700) != 0700) ::fchmod(child.get(), 0700);
      remove_children(child.get(), device, shown / name);
      if (::unlinkat(fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) cannot("remove", shown / name);
    } else if (::unlinkat(fd, name.c_str(), 0) != 0 && errno != ENOENT) {
      cannot("remove", shown / name);
    }
  }
}

}  // namespace

std::optional<std::string> read_file_if_exists(const fs::path& path, std::uint64_t limit) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!fd)
    throw Error(ExitCode::usage, fmt::format("cannot read `{}`: {}", path.string(), std::strerror(errno)));
  return read_open(fd.get(), path, limit);
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  if (auto text = read_file_if_exists(path, limit)) return std::move(*text);
  throw Error(ExitCode::usage, fmt::format("`{}` does not exist", path.string()));
}

void write_file_atomic(const fs::path& path, std::string_view content, mode_t mode) {
  const fs::path temp = path.parent_path() / fmt::format(".{}.{}", path.filename().string(), random_suffix());
  Fd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) cannot("write", path);
  try {
    write_all(fd.get(), content, path);
    if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) cannot("write", path);
    if (::rename(temp.c_str(), path.c_str()) != 0) cannot("write", path);
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
  sync_folder(path.parent_path());
}

void append_file(const fs::path& path, std::string_view content) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) cannot("write", path);
  write_all(fd.get(), content, path);
}

void make_dirs(const fs::path& path, mode_t mode) {
  if (path.empty() || ::access(path.c_str(), F_OK) == 0) {
    std::error_code ignored;
    if (path.empty() || fs::is_directory(path, ignored)) return;
    throw Error(ExitCode::usage, fmt::format("`{}` is in the way: it is not a folder", path.string()));
  }
  make_dirs(path.parent_path(), 0755);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) cannot("make the folder", path);
}

void remove_tree(const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    cannot("remove", path);
  }
  if (!S_ISDIR(info.st_mode)) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) cannot("remove", path);
    return;
  }
  {
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == EACCES && ::chmod(path.c_str(), 0700) == 0)
      fd = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) cannot("remove", path);
    if ((info.st_mode & 0700) != 0700) ::fchmod(fd.get(), 0700);
    remove_children(fd.get(), info.st_dev, path);
  }
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) cannot("remove", path);
}

TempDir::TempDir(const fs::path& parent, std::string_view prefix) {
  make_dirs(parent);
  std::string pattern = parent / fmt::format("{}XXXXXX", prefix);
  if (!::mkdtemp(pattern.data())) cannot("make a folder in", parent);
  path_ = pattern;
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const Error& e) {
    // A destructor cannot throw; what stays is found and cleared by `slipway doctor`.
    fmt::print(stderr, "slipway: warning: {}\n", e.str());
  }
}

FileLock FileLock::wait(const fs::path& path) {
  make_dirs(path.parent_path());
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) cannot("open the lock", path);
  while (::flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) cannot("lock", path);
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_lock(const fs::path& path) {
  make_dirs(path.parent_path());
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) cannot("open the lock", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
  if (errno == EWOULDBLOCK) return std::nullopt;
  cannot("lock", path);
}

Dirs user_dirs() {
  return {folder_from_env("SLIPWAY_CACHE_DIR", "XDG_CACHE_HOME", ".cache"),
          folder_from_env("SLIPWAY_STATE_DIR", "XDG_STATE_HOME", ".local/state")};
}

bool is_safe_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.size() > 255) return false;
  for (char c : name)
    if (c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

std::optional<fs::path> path_inside(const fs::path& root, std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return std::nullopt;
  fs::path out = root;
  int depth = 0;
  for (const auto& part : fs::path(path).relative_path()) {
    if (part == "." || part.empty()) continue;
    if (part == "..") {
      if (--depth < 0) return std::nullopt;
      out = out.parent_path();
    } else {
      ++depth;
      out /= part;
    }
  }
  return out;
}

}  // namespace slipway
