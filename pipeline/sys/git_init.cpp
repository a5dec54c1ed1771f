#include "sys/git_init.h"

#include <git2.h>

#include "sys/git_handles.h"

namespace slipway::git {

void init_repository(const std::filesystem::path& folder, const std::string& message) {
  start_libgit2();
  if (std::filesystem::exists(folder / ".git"))
    throw Error(ExitCode::usage, fmt::format("`{}` is a git repository already", folder.string()));
  git_repository_init_options options = GIT_REPOSITORY_INIT_OPTIONS_INIT;
  options.flags = GIT_REPOSITORY_INIT_MKPATH;
  options.initial_head = "main";
  Owned<git_repository> repository;
  const auto what = fmt::format("make a git repository of `{}`", folder.string());
  check(::git_repository_init_ext(out(repository), folder.c_str(), &options), what);
  Owned<git_index> index;
  check(::git_repository_index(out(index), repository.get()), what);
  check(::git_index_add_all(index.get(), nullptr, GIT_INDEX_ADD_DEFAULT, nullptr, nullptr), what);
  check(::git_index_write(index.get()), what);
  git_oid tree_id;
  check(::git_index_write_tree(&tree_id, index.get()), what);
  Owned<git_tree> tree;
  check(::git_tree_lookup(out(tree), repository.get(), &tree_id), what);
  git_signature* raw = nullptr;
  if (::git_signature_default(&raw, repository.get()) != 0)
    check(::git_signature_now(&raw, "slipway", "slipway@localhost"), what);
  const std::unique_ptr<git_signature, decltype(&::git_signature_free)> author(raw, ::git_signature_free);
  git_oid commit_id;
  check(::git_commit_create(&commit_id, repository.get(), "HEAD", author.get(), author.get(), nullptr,
                            message.c_str(), tree.get(), 0, nullptr),
        what);
}

}  // namespace slipway::git
