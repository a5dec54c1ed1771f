// read_folder: the user's own folder, in a repository or not.
#include <dirent.h>
#include <fcntl.h>
#include <git2.h>
#include <sys/stat.h>

#include <cstring>

#include "base/suggest.h"
#include "sys/digest.h"
#include "sys/files.h"
#include "sys/git.h"
#include "sys/git_handles.h"
#include "sys/git_stat_cache.h"
#include "sys/git_tree_id.h"

namespace slipway::git {

namespace {

constexpr int kMaxNested = 8;  // repositories in repositories

unsigned mode_of(const struct stat& info) {
  if (S_ISLNK(info.st_mode)) return kModeLink;
  if (S_ISREG(info.st_mode)) return info.st_mode & 0100 ? kModeExecutable : kModeFile;
  return 0;
}

std::string joined(const std::string& folder, const std::string& name) {
  if (folder.empty() || folder == ".") return name;
  return name.empty() || name == "." ? folder : folder + "/" + name;
}

// Reads a folder whole. `shown` names it in the memory and in errors.
void read_whole(Fd folder, const std::string& shown, StatCache& memory, Changes& into) {
  const auto cannot = [&] {
    return Error(ExitCode::usage,
                 fmt::format("cannot read the folder `{}`: {}", shown, std::strerror(errno)));
  };
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(folder.get()), ::closedir);
  if (!dir) throw cannot();
  const int fd = folder.release();
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || name == ".git") continue;
    struct stat info {};
    if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
    if (S_ISDIR(info.st_mode)) {
      Fd child(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) throw cannot();
      auto& below = into.below[name];
      read_whole(std::move(child), joined(shown, name), memory, below);
      // git has no empty folders, but a COPY would have it.
      if (below.below.empty()) below.here = Change{kModeTree, tree_id(nullptr, nullptr, {})};
    } else if (const auto mode = mode_of(info)) {
      into.below[name].here = Change{mode, memory.blob_id(joined(shown, name), fd, name.c_str(), info)};
    }
  }
}

std::string whole_id(const fs::path& path, const std::string& shown, StatCache& memory) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd)
    throw Error(ExitCode::usage,
                fmt::format("cannot read the folder `{}`: {}", path.string(), std::strerror(errno)));
  Changes all;
  read_whole(std::move(fd), shown, memory, all);
  return tree_id(nullptr, nullptr, all);
}

// One repository's working folder and how it differs from its HEAD.
class WorkingFolder {
 public:
  // nullopt when `path` is in no repository with a working folder. `shown`: its name in the memory.
  static std::optional<WorkingFolder> open(const fs::path& path, bool search_upwards) {
    WorkingFolder self;
    const auto flags = search_upwards ? 0 : GIT_REPOSITORY_OPEN_NO_SEARCH;
    if (git_repository_open_ext(out(self.repository_), path.c_str(), flags, nullptr) < 0) return std::nullopt;
    const char* root = git_repository_workdir(self.repository_.get());
    if (!root) return std::nullopt;
    std::error_code error;
    const auto real = fs::canonical(root, error);
    if (error) return std::nullopt;
    self.root_ = real;
    const auto below = path.lexically_relative(real).string();
    if (below.empty() || below.starts_with("..")) return std::nullopt;
    self.prefix_ = below == "." ? "" : below;
    return self;
  }

  void read(StatCache& memory, const std::string& shown, int depth) {
    read_head();
    read_status(memory, shown, depth);
    read_submodules(memory, shown, depth);
  }

  // The id of a folder relative to the opened one; "" when the repository knows nothing below it.
  std::string id(const std::string& folder) const {
    const auto path = joined(prefix_, folder);
    const auto* changed = changes_.find(path);
    const bool top = path.empty() || path == ".";
    Owned<git_tree> tree;
    if (head_tree_ && !top) {
      git_tree_entry* entry = nullptr;
      if (git_tree_entry_bypath(&entry, head_tree_.get(), path.c_str()) == 0) {
        std::unique_ptr<git_tree_entry, decltype(&git_tree_entry_free)> owner(entry, git_tree_entry_free);
        const auto entry_id = *git_tree_entry_id(entry);
        if (git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
          if (!changed) return hex(entry_id);
          check(git_tree_lookup(out(tree), repository_.get(), &entry_id),
                fmt::format("read the tree of `{}`", path));
        }
      }
    }
    // A folder that is a submodule or a repository of its own.
    if (changed && changed->here && changed->here->mode && changed->below.empty()) return changed->here->id;
    if (!tree && !top && !changed) return {};
    return tree_id(repository_.get(), top ? head_tree_.get() : tree.get(), changed ? *changed : Changes{});
  }

  const std::string& commit() const { return commit_; }
  const std::string& branch() const { return branch_; }
  int dirty() const { return dirty_; }

 private:
  void read_head() {
    Owned<git_reference> head;
    if (git_repository_head(out(head), repository_.get()) < 0) return;  // no commit yet
    if (git_reference_is_branch(head.get())) branch_ = git_reference_shorthand(head.get());
    Owned<git_object> commit;
    check(git_reference_peel(out(commit), head.get(), GIT_OBJECT_COMMIT), "read HEAD");
    commit_ = hex(*git_object_id(commit.get()));
    check(git_commit_tree(out(head_tree_), reinterpret_cast<git_commit*>(commit.get())),
          "read the tree of HEAD");
  }

  void read_status(StatCache& memory, const std::string& shown, int depth) {
    git_status_options options;
    check(git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION), "read the status");
    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
                    GIT_STATUS_OPT_EXCLUDE_SUBMODULES | GIT_STATUS_OPT_DISABLE_PATHSPEC_MATCH;
    const char* only = prefix_.c_str();
    git_strarray paths{const_cast<char**>(&only), prefix_.empty() ? 0u : 1u};
    options.pathspec = paths;
    Owned<git_status_list> list;
    check(git_status_list_new(out(list), repository_.get(), &options),
          fmt::format("read the status of `{}`", root_.string()));
    Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t i = 0; i < git_status_list_entrycount(list.get()); ++i) {
      const auto* entry = git_status_byindex(list.get(), i);
      const auto* delta = entry->index_to_workdir ? entry->index_to_workdir : entry->head_to_index;
      if (!delta || entry->status == GIT_STATUS_CURRENT || entry->status & GIT_STATUS_IGNORED) continue;
      std::string path = delta->new_file.path ? delta->new_file.path : delta->old_file.path;
      ++dirty_;
      if (path.ends_with('/')) {
        path.pop_back();
        nested(path, joined(shown, path), memory, depth);
      } else {
        changes_.set(path, as_it_stands(root.get(), path, joined(shown, path), memory));
      }
    }
  }

  static Change as_it_stands(int root, const std::string& path, const std::string& shown, StatCache& memory) {
    struct stat info {};
    if (::fstatat(root, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
    const auto mode = mode_of(info);
    return mode ? Change{mode, memory.blob_id(shown, root, path.c_str(), info)} : Change{};
  }

  // A repository inside this one that is no submodule of it: its own working folder counts.
  void nested(const std::string& path, const std::string& shown, StatCache& memory, int depth) {
    auto inner = depth < kMaxNested ? open(root_ / path, false) : std::nullopt;
    if (!inner) return;
    inner->read(memory, shown, depth + 1);
    changes_.set(path, {kModeTree, inner->id(".")});
  }

  void read_submodules(StatCache& memory, const std::string& shown, int depth) {
    Owned<git_index> index;
    check(git_repository_index(out(index), repository_.get()), "read the index");
    for (std::size_t i = 0; i < git_index_entrycount(index.get()); ++i) {
      const auto* entry = git_index_get_byindex(index.get(), i);
      if (entry->mode != kModeCommit) continue;
      const std::string path = entry->path;
      if (!prefix_.empty() && !path.starts_with(prefix_ + "/") && path != prefix_) continue;
      const auto wanted = hex(entry->id);
      auto inner = depth < kMaxNested ? open(root_ / path, false) : std::nullopt;
      if (!inner) {
        changes_.set(path, {kModeCommit, wanted});
        continue;
      }
      inner->read(memory, joined(shown, path), depth + 1);
      const bool clean = inner->dirty() == 0 && !inner->commit().empty();
      if (!clean || inner->commit() != wanted) ++dirty_;
      changes_.set(path, clean ? Change{kModeCommit, inner->commit()} : Change{kModeTree, inner->id(".")});
    }
  }

  Owned<git_repository> repository_;
  Owned<git_tree> head_tree_;  // empty before the first commit
  fs::path root_;
  std::string prefix_;  // of the opened folder below root_; "" when it is the root
  std::string commit_, branch_;
  int dirty_ = 0;
  Changes changes_;  // by path below root_
};

// True for a folder below `root` on a way without links, as it is written.
bool is_real_folder(const std::string& root, const std::string& folder) {
  if (folder.empty() || folder.starts_with('/') || folder.ends_with('/') ||
      folder.find("//") != std::string::npos)
    return false;
  for (std::size_t end = 0; end != std::string::npos;) {
    const auto from = end ? end + 1 : 0;
    end = folder.find('/', from);
    if (const auto name = folder.substr(from, end - from); name == "." || name == "..") return false;
    struct stat info {};
    if (::lstat((root + "/" + folder.substr(0, end)).c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
      return false;
  }
  return true;
}

// `folder` relative to `root`, its links resolved.
std::string folder_inside(const fs::path& root, const std::string& folder) {
  if (is_real_folder(root.native(), folder)) return folder;
  const auto path = path_inside(root, folder);
  std::error_code error;
  const auto real = path ? fs::canonical(*path, error) : fs::path();
  if (path && (error || !fs::is_directory(real))) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path->parent_path(), error))
      if (entry.is_directory(error))
        names.push_back(joined(fs::path(folder).parent_path().string(), entry.path().filename().string()));
    auto hint = suggest(folder, names);
    throw Error(ExitCode::usage, fmt::format("there is no folder `{}` in `{}`", folder, root.string()))
        .hint(hint ? fmt::format("did you mean `{}`?", *hint) : "");
  }
  const auto below = path ? real.lexically_relative(root).string() : "..";
  if (below == ".." || below.starts_with("../"))
    throw Error(ExitCode::usage, fmt::format("the folder `{}` leads out of `{}`", folder, root.string()));
  return below == "." ? "" : below;
}

}  // namespace

std::string content_id(const fs::path& folder) {
  start_libgit2();
  StatCache nothing{fs::path()};
  return whole_id(folder, "", nothing);
}

Snapshot read_folder(const fs::path& folder, const std::vector<std::string>& folders,
                     const fs::path& memory_dir) {
  start_libgit2();
  std::error_code error;
  const auto root = fs::canonical(folder, error);
  if (error || !fs::is_directory(root))
    throw Error(ExitCode::usage, fmt::format("there is no folder `{}`", folder.string()));
  StatCache memory(memory_dir / Digest::of(root.string()).short_hex());
  auto working = WorkingFolder::open(root, true);
  if (working) working->read(memory, "", 0);
  Snapshot snapshot;
  snapshot.path = folder;
  if (working) {
    snapshot.commit = working->commit();
    snapshot.branch = working->branch();
    snapshot.dirty = working->dirty();
  }
  for (const auto& name : folders.empty() ? std::vector<std::string>{"."} : folders) {
    const auto inside = folder_inside(root, name);
    auto id = working ? working->id(inside) : std::string();
    // In no repository, or in one that ignores it: all of it counts.
    if (id.empty()) id = whole_id(root / inside, inside, memory);
    snapshot.trees[name] = std::move(id);
  }
  memory.save();
  return snapshot;
}

}  // namespace slipway::git
