#include "sys/git_stat_cache.h"

#include <fcntl.h>
#include <git2.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/error.h"
#include "sys/files.h"
#include "sys/git_handles.h"

namespace slipway::git {

namespace {

constexpr std::string_view kHeader = "slipway stat cache 1\n";

std::string stamp_of(const struct stat& info) {
  return fmt::format("{} {} {} {} {} {} {:o}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                     info.st_ctim.tv_sec, info.st_ctim.tv_nsec, info.st_ino, info.st_mode);
}

// A file changed just now could change again within the same tick of the file system's clock, and its stat
// data would not tell ("racy git"): such a one is not remembered.
bool is_settled(const struct stat& info) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  const auto micros = [](const timespec& t) { return t.tv_sec * 1'000'000ll + t.tv_nsec / 1000; };
  return micros(info.st_ctim) + 50'000 < micros(now);
}

git_oid hash_file(const std::string& path, int dir_fd, const char* name, const struct stat& info) {
  const auto cannot = [&](const std::string& why) {
    return Error(ExitCode::usage, fmt::format("cannot read `{}`: {}", path, why));
  };
  git_oid id;
  if (S_ISLNK(info.st_mode)) {
    char target[4096];
    const auto size = ::readlinkat(dir_fd, name, target, sizeof target);
    if (size < 0) throw cannot(std::strerror(errno));
    check(git_odb_hash(&id, target, static_cast<std::size_t>(size), GIT_OBJECT_BLOB), "hash a link");
    return id;
  }
  // Opened by ourselves, for O_NOFOLLOW; libgit2 then streams it, so that a large file needs no memory.
  Fd fd(::openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw cannot(std::strerror(errno));
  if (git_odb_hashfile(&id, fmt::format("/proc/self/fd/{}", fd.get()).c_str(), GIT_OBJECT_BLOB) < 0)
    throw cannot(last_message());
  return id;
}

}  // namespace

StatCache::StatCache(fs::path file) : file_(std::move(file)) {}

void StatCache::load() {
  loaded_ = true;
  if (file_.empty()) return;
  const auto text = read_file_if_exists(file_);
  if (!text || !text->starts_with(kHeader)) return;
  // Lines of "ID\tSTAMP\tPATH\0": a path may hold a newline.
  std::string_view rest = std::string_view(*text).substr(kHeader.size());
  while (!rest.empty()) {
    const auto end = rest.find('\0');
    if (end == std::string_view::npos) return;
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const auto first = line.find('\t'), second = line.find('\t', first + 1);
    if (first != 40 || second == std::string_view::npos) return;
    known_.emplace(line.substr(second + 1), Seen{std::string(line.substr(first + 1, second - first - 1)),
                                                 std::string(line.substr(0, 40))});
  }
}

std::string StatCache::blob_id(const std::string& path, int dir_fd, const char* name,
                               const struct stat& info) {
  if (!loaded_) load();
  const auto stamp = stamp_of(info);
  if (const auto it = known_.find(path); it != known_.end() && it->second.stamp == stamp) {
    asked_[path] = it->second;
    return it->second.id;
  }
  const auto id = hash_file(path, dir_fd, name, info);
  if (is_settled(info)) {
    asked_[path] = {stamp, hex(id)};
    changed_ = true;
  }
  return hex(id);
}

void StatCache::save() {
  if (file_.empty() || !loaded_ || (!changed_ && asked_.size() == known_.size())) return;
  std::string text(kHeader);
  for (const auto& [path, seen] : asked_) {
    text += seen.id + '\t' + seen.stamp + '\t' + path;
    text += '\0';
  }
  try {
    make_dirs(file_.parent_path());
    write_file_atomic(file_, text);
  } catch (const Error&) {
    // The ids were right; the next run reads the files again.
  }
}

}  // namespace slipway::git
