// libgit2's handles with one owner each, its start-up, and its errors as ours. Its headers stay in the .cpp
// files.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct git_repository;
struct git_commit;
struct git_tree;
struct git_blob;
struct git_object;
struct git_reference;
struct git_remote;
struct git_index;
struct git_status_list;
struct git_odb;
struct git_oid;

namespace slipway::git {

struct Free {
  void operator()(git_repository*) const;
  void operator()(git_commit*) const;
  void operator()(git_tree*) const;
  void operator()(git_blob*) const;
  void operator()(git_object*) const;
  void operator()(git_reference*) const;
  void operator()(git_remote*) const;
  void operator()(git_index*) const;
  void operator()(git_status_list*) const;
  void operator()(git_odb*) const;
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// Hands a libgit2 "out" parameter to its owner on the line that fills it: `git_tree_lookup(out(tree), …)`.
template <typename T>
class Out {
 public:
  explicit Out(Owned<T>& owner) : owner_(owner) {}
  ~Out() { owner_.reset(raw_); }
  operator T**() { return &raw_; }

 private:
  Owned<T>& owner_;
  T* raw_ = nullptr;
};
template <typename T>
Out<T> out(Owned<T>& owner) {
  return Out<T>(owner);
}

// Starts libgit2 once per process; every public function of sys/git calls it first. Any thread.
void start_libgit2();

// What libgit2 said last on this thread; "unknown error" when it said nothing.
std::string last_message();

// Throws Error(unavailable) "cannot WHAT: …" when `result` is negative.
void check(int result, const std::string& what);

std::string hex(const git_oid& id);

}  // namespace slipway::git
