#include "sys/git_export.h"

#include <fcntl.h>
#include <git2.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/fd.h"
#include "sys/files.h"
#include "sys/git_tree_id.h"
#include "sys/git_url.h"

namespace slipway::git {

namespace {

constexpr int kMaxDepth = 256;

Owned<git_commit> find_commit(git_repository* repository, const std::string& commit) {
  git_oid id;
  Owned<git_commit> found;
  check(git_oid_fromstr(&id, commit.c_str()), fmt::format("read the id `{}`", commit));
  check(git_commit_lookup(out(found), repository, &id),
        fmt::format("read the commit {}", commit.substr(0, 12)));
  return found;
}

struct Exporter {
  git_repository* repository;
  const std::stop_token& stop;
  std::vector<Gitlink> links;

  [[noreturn]] static void refuse(const std::string& path, const char* why) {
    throw Error(ExitCode::usage, fmt::format("the repository holds `{}`: {}", escaped(path), why));
  }
  [[noreturn]] static void cannot(const std::string& path) {
    // Made a moment ago under this very name: the tree has it twice, or a link where it also has a folder.
    if (errno == EEXIST || errno == ELOOP) refuse(path, "the name stands there twice");
    throw_errno(fmt::format("write `{}`", path), errno);
  }

  void write(int dir, const std::string& name, const std::string& path, const git_oid& id, unsigned mode) {
    Owned<git_blob> blob;
    check(git_blob_lookup(out(blob), repository, &id), fmt::format("read `{}`", path));
    const auto* bytes = static_cast<const char*>(git_blob_rawcontent(blob.get()));
    auto left = static_cast<std::size_t>(git_blob_rawsize(blob.get()));
    if (mode == kModeLink) {
      const std::string target(bytes, left);
      if (target.empty() || target.find('\0') != std::string::npos) refuse(path, "it is a link to nothing");
      if (::symlinkat(target.c_str(), dir, name.c_str()) != 0) cannot(path);
      return;
    }
    Fd fd(::openat(dir, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   mode & 0100 ? 0755 : 0644));
    if (!fd) cannot(path);
    while (left > 0) {
      const auto n = ::write(fd.get(), bytes, left);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) cannot(path);
      bytes += n;
      left -= static_cast<std::size_t>(n);
    }
    // Exactly these modes, whatever the umask.
    if (::fchmod(fd.get(), mode & 0100 ? 0755 : 0644) != 0) cannot(path);
  }

  void tree(const git_tree* tree, int dir, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) refuse(prefix, "folders are nested too deep");
    for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
      if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
      const auto* entry = git_tree_entry_byindex(tree, i);
      const std::string name = git_tree_entry_name(entry), path = prefix + name;
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (!is_safe_name(name) || lower == ".git") refuse(path, "git allows no such name");
      const auto& id = *git_tree_entry_id(entry);
      const unsigned mode = git_tree_entry_filemode(entry);
      if (mode != kModeTree && mode != kModeCommit) {
        write(dir, name, path, id, mode);
        continue;
      }
      if (::mkdirat(dir, name.c_str(), 0755) != 0) cannot(path);
      if (mode == kModeCommit) {
        links.push_back({path, hex(id)});
        continue;
      }
      Fd child(::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) cannot(path);
      if (::fchmod(child.get(), 0755) != 0) cannot(path);
      Owned<git_tree> below;
      check(git_tree_lookup(out(below), repository, &id), fmt::format("read the tree of `{}`", path));
      this->tree(below.get(), child.get(), path + "/", depth + 1);
    }
  }
};

}  // namespace

std::vector<Gitlink> export_commit(git_repository* repository, const std::string& commit, const fs::path& dir,
                                   const std::stop_token& stop) {
  Owned<git_tree> tree;
  check(git_commit_tree(out(tree), find_commit(repository, commit).get()), "read the commit's tree");
  Fd root(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root) throw_errno(fmt::format("open `{}`", dir.string()), errno);
  Exporter exporter{repository, stop, {}};
  exporter.tree(tree.get(), root.get(), "", 0);
  return std::move(exporter.links);
}

std::string read_file_of(git_repository* repository, const std::string& commit, const std::string& path,
                         std::size_t limit) {
  Owned<git_tree> tree;
  check(git_commit_tree(out(tree), find_commit(repository, commit).get()), "read the commit's tree");
  const auto* entry = git_tree_entry_byname(tree.get(), path.c_str());
  if (!entry || git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
      git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
    return {};
  Owned<git_blob> blob;
  check(git_blob_lookup(out(blob), repository, git_tree_entry_id(entry)), fmt::format("read `{}`", path));
  const auto size = static_cast<std::size_t>(git_blob_rawsize(blob.get()));
  if (size > limit) throw Error(ExitCode::usage, fmt::format("`{}` is larger than {} bytes", path, limit));
  return {static_cast<const char*>(git_blob_rawcontent(blob.get())), size};
}

}  // namespace slipway::git
