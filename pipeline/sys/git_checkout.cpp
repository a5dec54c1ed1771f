// checkout: a commit of a remote repository as a folder of the cache.
#include <fcntl.h>
#include <git2.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/suggest.h"
#include "sys/digest.h"
#include "sys/files.h"
#include "sys/git.h"
#include "sys/git_export.h"
#include "sys/git_lock.h"
#include "sys/git_mirror.h"
#include "sys/git_modules.h"
#include "sys/git_url.h"
#include "sys/http.h"

namespace slipway::git {

namespace {

constexpr int kMaxSubmoduleDepth = 10;

struct Source {
  const CheckoutOptions& options;
  fs::path git_dir;
  GitUrl top;  // the only server that gets the token

  Secret token_for(const GitUrl& url) const { return url.same_server(top) ? options.token : Secret(); }

  // `modules` says where each of `links` comes from.
  void submodules(const GitUrl& parent, const std::string& modules, const std::vector<Gitlink>& links,
                  const fs::path& dir, int depth) const {
    const auto known = parse_modules(modules);
    for (const auto& link : links) {
      const auto module = std::find_if(known.begin(), known.end(),
                                       [&](const Module& each) { return each.path == link.path; });
      if (module == known.end()) {
        throw Error(ExitCode::usage, fmt::format("the submodule `{}` of `{}` is not in its `.gitmodules`",
                                                 link.path, parent.text));
      }
      try {
        submodule(submodule_url(parent, module->url), link.commit, dir / link.path, depth);
      } catch (Error& e) {
        throw e.trail(fmt::format("while checking out the submodule `{}`", link.path));
      }
    }
  }

  void submodule(const GitUrl& url, const std::string& commit, const fs::path& dir, int depth) const {
    if (depth > kMaxSubmoduleDepth) throw Error(ExitCode::usage, "submodules are nested too deep");
    const auto mirror = Mirror::open(git_dir, url);
    mirror.resolve(commit, token_for(url), options.progress, options.stop);
    contents(mirror, url, commit, dir, depth);
  }

  void contents(const Mirror& mirror, const GitUrl& url, const std::string& commit, const fs::path& dir,
                int depth) const {
    const auto links = export_commit(mirror.repository(), commit, dir, options.stop);
    // Read before any of it is fetched, and even when nothing refers to it: a bad path is refused, not
    // ignored.
    const auto modules = read_file_of(mirror.repository(), commit, ".gitmodules", 1 << 20);
    if (options.submodules) submodules(url, modules, links, dir, depth + 1);
  }

  // The folder of a commit, made when it is not there: beside, then renamed.
  fs::path folder(const Mirror& mirror, const std::string& commit) const {
    // Submodules' URLs can be relative to the remote's: then the commit alone does not say what they are.
    const auto name =
        options.submodules ? fmt::format("{}-{}", commit, Digest::of(top.text).short_hex()) : commit;
    const auto place = git_dir / "checkouts" / name;
    if (fs::exists(place)) return place;
    const auto held =
        wait_for_lock(place.string() + ".lock", "another slipway that checks out the same commit",
                      options.progress, options.stop);
    if (fs::exists(place)) return place;
    const fs::path temp = place.string() + ".new";
    remove_tree(temp);  // of one that was killed
    make_dirs(temp);
    try {
      contents(mirror, top, commit, temp, 0);
    } catch (...) {
      remove_tree(temp);
      throw;
    }
    Fd fd(::open(temp.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::syncfs(fd.get()) != 0) throw_errno(fmt::format("write `{}`", temp.string()), errno);
    fs::rename(temp, place);
    return place;
  }
};

// The id of `folder` in the commit; nullopt when it is no folder there.
std::optional<std::string> tree_of(git_repository* repository, const std::string& commit,
                                   const fs::path& folder) {
  const auto path = folder.string();
  Owned<git_object> object;
  const auto revision = path.empty() || path == "." ? commit + "^{tree}" : commit + ":" + path;
  if (git_revparse_single(out(object), repository, revision.c_str()) < 0) return std::nullopt;
  if (git_object_type(object.get()) != GIT_OBJECT_TREE) return std::nullopt;
  return hex(*git_object_id(object.get()));
}

void read_trees(Snapshot& snapshot, const Mirror& mirror, const GitUrl& url, const CheckoutOptions& options,
                const fs::path& root) {
  const auto folders = options.folders.empty() ? std::vector<std::string>{"."} : options.folders;
  for (const auto& name : folders) {
    const auto inside = path_inside("/", (options.below / name).string());
    if (!inside)
      throw Error(ExitCode::usage, fmt::format("the folder `{}` leads out of `{}`", name, url.text));
    const auto below = inside->lexically_relative("/");
    if (auto id = tree_of(mirror.repository(), snapshot.commit, below)) {
      snapshot.trees[name] = std::move(*id);
    } else if (fs::is_directory(fs::symlink_status(root / below))) {
      snapshot.trees[name] = content_id(root / below);  // in a submodule
    } else {
      std::vector<std::string> names;
      std::error_code error;
      for (const auto& entry : fs::directory_iterator((root / below).parent_path(), error))
        if (fs::is_directory(entry.symlink_status()))
          names.push_back((fs::path(name).parent_path() / entry.path().filename()).string());
      throw Error(ExitCode::usage, fmt::format("there is no folder `{}` in `{}` at {}", name, url.text,
                                               snapshot.commit.substr(0, 12)))
          .hint(suggestion_hint(name, names));
    }
  }
}

}  // namespace

Snapshot checkout(const CheckoutOptions& options) {
  start_libgit2();
  const auto url = parse_url(options.url, options.base_dir);
  check_ref(options.ref);
  if (!options.token.empty() && (url.scheme == "http" || url.scheme == "git") && !is_loopback_host(url.host))
    throw Error(ExitCode::usage, fmt::format("the token for `{}` would travel unencrypted", url.text))
        .hint("use https");
  if (url.local() && !fs::exists(url.path))
    throw Error(ExitCode::unavailable, fmt::format("there is no git repository at `{}`", url.text));
  const Source source{options, options.cache_dir / "git", url};
  const auto mirror = Mirror::open(source.git_dir, url);
  const auto resolved = mirror.resolve(options.ref, options.token, options.progress, options.stop);
  const auto root = source.folder(mirror, resolved.commit);
  Snapshot snapshot;
  snapshot.path = options.below.empty() ? root : root / options.below;
  snapshot.commit = resolved.commit;
  snapshot.branch = resolved.branch;
  read_trees(snapshot, mirror, url, options, root);
  return snapshot;
}

Repository find_repository(const fs::path& folder) {
  start_libgit2();
  Owned<git_repository> repository;
  if (git_repository_open_ext(out(repository), folder.c_str(), 0, nullptr) < 0)
    throw Error(ExitCode::usage,
                fmt::format("`{}` is in no git repository, so it has no `ref`", folder.string()));
  const char* work = git_repository_workdir(repository.get());
  const fs::path top = fs::canonical(work ? work : git_repository_path(repository.get()));
  const auto below = fs::canonical(folder).lexically_relative(top);
  return {top, below == "." ? fs::path() : below};
}

}  // namespace slipway::git
