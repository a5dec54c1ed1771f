#include "sys/git_handles.h"

#include <git2.h>

#include <mutex>

#include "sys/git_certificates.h"

namespace slipway::git {

void Free::operator()(git_repository* p) const {
  git_repository_free(p);
}
void Free::operator()(git_commit* p) const {
  git_commit_free(p);
}
void Free::operator()(git_tree* p) const {
  git_tree_free(p);
}
void Free::operator()(git_blob* p) const {
  git_blob_free(p);
}
void Free::operator()(git_object* p) const {
  git_object_free(p);
}
void Free::operator()(git_reference* p) const {
  git_reference_free(p);
}
void Free::operator()(git_remote* p) const {
  git_remote_free(p);
}
void Free::operator()(git_index* p) const {
  git_index_free(p);
}
void Free::operator()(git_status_list* p) const {
  git_status_list_free(p);
}
void Free::operator()(git_odb* p) const {
  git_odb_free(p);
}

void start_libgit2() {
  static std::once_flag once;
  std::call_once(once, [] {
    const PutOffCertificates until_needed;
    if (git_libgit2_init() < 0)
      throw Error(ExitCode::internal, fmt::format("cannot start libgit2: {}", last_message()));
    // Whose files a repository has does not matter here: libgit2 runs no hooks, filters or monitors that its
    // config names (the danger behind git's safe.directory), and a CI job's checkout often has another owner.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    git_libgit2_opts(GIT_OPT_SET_USER_AGENT, "slipway/" SLIPWAY_VERSION);
  });
}

std::string last_message() {
  const git_error* error = git_error_last();
  return error && error->message && *error->message ? error->message : "unknown error";
}

void check(int result, const std::string& what) {
  if (result < 0) throw Error(ExitCode::unavailable, fmt::format("cannot {}: {}", what, last_message()));
}

std::string hex(const git_oid& id) {
  char text[GIT_OID_HEXSZ + 1];
  return git_oid_tostr(text, sizeof text, &id);
}

}  // namespace slipway::git
