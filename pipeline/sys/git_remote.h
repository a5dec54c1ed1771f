// One conversation with a remote repository: what it has, and fetching from it.
#pragma once
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/secret.h"
#include "sys/git_handles.h"
#include "sys/git_url.h"

namespace slipway::git {

struct RemoteRef {
  std::string name, id;  // "refs/heads/main", "refs/tags/v1^{}" (what an annotated tag points to), "HEAD"
  std::string target;    // of a symbolic one
};

// Called on the fetching thread, at most ten times a second.
using OnProgress =
    std::function<void(const std::string& text, std::int64_t current, std::int64_t total, const char* unit)>;

// One thread. Every call may throw Error: unavailable (6) when the remote cannot be reached, is silent for a
// minute or has no such repository; auth (3) for a login or a host key; interrupted.
class Remote {
 public:
  // `into` gets what is fetched, and outlives this.
  Remote(git_repository* into, const GitUrl& url, const Secret& token, OnProgress progress,
         std::stop_token stop);
  ~Remote();
  std::vector<RemoteRef> refs();  // connects
  void fetch(const std::vector<std::string>& refspecs);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::git
