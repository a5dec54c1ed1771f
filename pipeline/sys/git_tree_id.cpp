#include "sys/git_tree_id.h"

#include <git2.h>

#include <vector>

namespace slipway::git {

namespace {

struct Entry {
  unsigned mode;
  git_oid id;
};
using Entries = std::map<std::string, Entry, std::less<>>;

Entries entries_of(const git_tree* tree) {
  Entries out;
  for (std::size_t i = 0; tree && i < git_tree_entrycount(tree); ++i) {
    const auto* entry = git_tree_entry_byindex(tree, i);
    // The raw mode: old repositories have 100664, and the id must come out as git has it.
    out.emplace(git_tree_entry_name(entry),
                Entry{static_cast<unsigned>(git_tree_entry_filemode_raw(entry)), *git_tree_entry_id(entry)});
  }
  return out;
}

git_oid parse_id(const std::string& text) {
  git_oid id;
  check(git_oid_fromstr(&id, text.c_str()), fmt::format("read the id `{}`", text));
  return id;
}

// git's tree object: "MODE NAME\0ID" in the order of names, a tree's name counting as with a '/' at its end.
git_oid hash_entries(const Entries& entries) {
  std::map<std::string, std::string> sorted;
  for (const auto& [name, entry] : entries) {
    std::string text = fmt::format("{:o} {}", entry.mode, name);
    text += '\0';
    text.append(reinterpret_cast<const char*>(entry.id.id), GIT_OID_RAWSZ);
    sorted.emplace(entry.mode == kModeTree ? name + "/" : name, std::move(text));
  }
  std::string bytes;
  for (const auto& [name, text] : sorted) bytes += text;
  git_oid id;
  check(git_odb_hash(&id, bytes.data(), bytes.size(), GIT_OBJECT_TREE), "hash a tree");
  return id;
}

// The tree's new id; nullopt when nothing is left in it, as git has no empty folders.
std::optional<git_oid> apply(git_repository* repository, const git_tree* base, const Changes& changes) {
  auto entries = entries_of(base);
  for (const auto& [name, change] : changes.below) {
    if (change.here) {
      entries.erase(name);
      if (change.here->mode) entries.emplace(name, Entry{change.here->mode, parse_id(change.here->id)});
    }
    if (change.below.empty()) continue;
    Owned<git_tree> subtree;
    if (const auto it = entries.find(name); it != entries.end() && it->second.mode == kModeTree && repository)
      check(git_tree_lookup(out(subtree), repository, &it->second.id),
            fmt::format("read the tree of `{}`", name));
    const auto id = apply(repository, subtree.get(), change);
    // A file where a folder was: what was in the folder is gone, the file stays.
    const bool file_now = change.here && change.here->mode;
    if (id || !file_now) entries.erase(name);
    if (id) entries.emplace(name, Entry{kModeTree, *id});
  }
  if (entries.empty()) return std::nullopt;
  return hash_entries(entries);
}

}  // namespace

void Changes::set(std::string_view path, Change change) {
  const auto slash = path.find('/');
  auto& child = below[std::string(path.substr(0, slash))];
  if (slash == std::string_view::npos)
    child.here = std::move(change);
  else
    child.set(path.substr(slash + 1), std::move(change));
}

const Changes* Changes::find(std::string_view path) const {
  if (path.empty() || path == ".") return this;
  const auto slash = path.find('/');
  const auto it = below.find(path.substr(0, slash));
  if (it == below.end()) return nullptr;
  return slash == std::string_view::npos ? &it->second : it->second.find(path.substr(slash + 1));
}

std::string tree_id(git_repository* repository, const git_tree* base, const Changes& changes) {
  const auto id = apply(repository, base, changes);
  return hex(id ? *id : hash_entries({}));
}

}  // namespace slipway::git
