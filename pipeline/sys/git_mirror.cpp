#include "sys/git_mirror.h"

#include <git2.h>

#include "base/error.h"
#include "base/suggest.h"
#include "sys/digest.h"
#include "sys/files.h"
#include "sys/git_lock.h"

namespace slipway::git {

namespace {

// Everything that somebody may name: for commits that no ref points to directly.
const std::vector<std::string> kAllRefs = {"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"};

bool is_hex(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// What a killed fetch left: packs get their name only when they are whole. The lock is ours.
void sweep(const fs::path& pack_dir) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(pack_dir, error)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with("pack-")) fs::remove(entry.path(), error);
  }
}

std::string short_name(const std::string& name) {
  for (const std::string_view prefix : {"refs/heads/", "refs/tags/"})
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  return name;
}

Error no_such_ref(const std::string& ref, const GitUrl& url, const std::vector<RemoteRef>& refs) {
  std::vector<std::string> names;
  for (const auto& each : refs)
    if ((each.name.starts_with("refs/heads/") || each.name.starts_with("refs/tags/")) &&
        !each.name.ends_with("^{}"))
      names.push_back(short_name(each.name));
  return Error(ExitCode::usage, fmt::format("`{}` has no branch, tag or commit `{}`", url.text, ref))
      .hint(suggestion_hint(ref, names));
}

const RemoteRef* find(const std::vector<RemoteRef>& refs, const std::string& name) {
  for (const auto& each : refs)
    if (each.name == name) return &each;
  return nullptr;
}

}  // namespace

Mirror Mirror::open(const fs::path& git_dir, const GitUrl& url) {
  Mirror mirror(git_dir / "mirrors" / Digest::of(url.text).short_hex(), url);
  const auto is_there = [&] {
    return git_repository_open_bare(out(mirror.repository_), mirror.dir_.c_str()) == 0;
  };
  if (is_there()) return mirror;
  const auto held = FileLock::wait(mirror.dir_.string() + ".lock");
  if (is_there()) return mirror;
  remove_tree(mirror.dir_);  // half made by one that was killed
  git_repository_init_options options;
  check(git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION), "make a mirror");
  options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
  options.initial_head = "slipway-mirror";
  const auto temp = mirror.dir_.string() + ".new";
  remove_tree(temp);
  Owned<git_repository> made;
  check(git_repository_init_ext(out(made), temp.c_str(), &options),
        fmt::format("make the mirror of `{}`", url.text));
  made.reset();
  write_file_atomic(fs::path(temp) / "slipway-url", url.text + "\n");  // for people who look into the cache
  fs::rename(temp, mirror.dir_);
  check(git_repository_open_bare(out(mirror.repository_), mirror.dir_.c_str()),
        fmt::format("open the mirror of `{}`", url.text));
  return mirror;
}

std::optional<std::string> Mirror::local(const std::string& revision) const {
  Owned<git_object> object, commit;
  if (git_revparse_single(out(object), repository_.get(), revision.c_str()) < 0) return std::nullopt;
  if (git_object_peel(out(commit), object.get(), GIT_OBJECT_COMMIT) < 0) return std::nullopt;
  return hex(*git_object_id(commit.get()));
}

Resolved Mirror::resolve(const std::string& ref, const Secret& token, const OnProgress& progress,
                         std::stop_token stop) const {
  const bool whole_id = ref.size() == 40 && is_hex(ref);
  const auto at_hand = [&]() -> std::optional<std::string> {
    if (whole_id) return local(ref);
    return ref.empty() ? std::nullopt : local("refs/tags/" + ref);
  };
  if (const auto commit = at_hand()) return {*commit, ""};
  const auto held = wait_for_lock(dir_.string() + ".lock",
                                  fmt::format("another slipway that fetches {}", url_.text), progress, stop);
  if (const auto commit = at_hand()) return {*commit, ""};
  sweep(dir_ / "objects" / "pack");
  Remote remote(repository_.get(), url_, token, progress, stop);
  auto resolved = fetched(remote, ref);
  // The object database that libgit2 holds open may not have looked for new packs yet.
  git_odb* odb = nullptr;
  check(git_repository_odb(&odb, repository_.get()), "open the mirror's objects");
  const Owned<git_odb> owner(odb);
  check(git_odb_refresh(odb), "read the mirror's objects");
  return resolved;
}

Resolved Mirror::fetched(Remote& remote, const std::string& ref) const {
  const auto refs = remote.refs();
  const auto gone = [&] { return no_such_ref(ref, url_, refs); };
  // One ref of the remote, whose commit is fetched unless it is there; the mirror's ref follows.
  const auto take = [&](const RemoteRef& found, const std::string& name) -> Resolved {
    const bool is_branch = name.starts_with("refs/heads/");
    // A tag's name is kept in the mirror, so that it need not be looked up again.
    if (!is_branch || !local(found.id)) remote.fetch({fmt::format("+{}:{}", name, name)});
    auto commit = local(found.id);
    if (!commit) commit = local(name);  // moved since it was listed
    if (!commit) throw gone();
    return {*commit, is_branch ? name.substr(11) : ""};
  };
  if (ref.empty()) {
    const auto* head = find(refs, "HEAD");
    if (!head) throw Error(ExitCode::unavailable, fmt::format("`{}` has no commits yet", url_.text));
    for (const auto& each : refs)
      if (head->target.empty() ? each.name.starts_with("refs/heads/") && each.id == head->id
                               : each.name == head->target)
        return take(each, each.name);
    remote.fetch({"+HEAD:refs/slipway/head"});  // detached
    const auto commit = local(head->id);
    if (!commit)
      throw Error(ExitCode::unavailable, fmt::format("`{}` does not hand out its HEAD", url_.text));
    return {*commit, ""};
  }
  for (const auto& name :
       {"refs/tags/" + ref, "refs/heads/" + ref, ref.starts_with("refs/") ? ref : std::string()})
    if (const auto* found = name.empty() ? nullptr : find(refs, name)) return take(*found, name);
  if (ref.size() < 7 || ref.size() > 40 || !is_hex(ref)) throw gone();
  // A commit: mostly a branch or tag points to it or comes after it.
  remote.fetch(kAllRefs);
  if (auto commit = local(ref)) return {*commit, ""};
  if (ref.size() == 40) {
    try {
      remote.fetch({fmt::format("+{}:refs/slipway/{}", ref, ref)});
    } catch (const Error& e) {
      // Servers need not hand out what no ref reaches (uploadpack.allowReachableSHA1InWant).
      if (e.code() == ExitCode::interrupted || e.code() == ExitCode::auth) throw;
    }
    if (auto commit = local(ref)) return {*commit, ""};
  }
  throw gone();
}

}  // namespace slipway::git
