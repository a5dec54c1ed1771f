// Who we say we are, tried in order: the token, what the URL's user has in git's credential helpers; over SSH
// the agent's keys, then key files.
#pragma once
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "sys/git_url.h"

struct git_credential;

namespace slipway::git {

// The credentials of one connection. Each is given out once: being asked again means that the last was
// refused.
class Credentials {
 public:
  Credentials(const GitUrl& url, const Secret& token, std::stop_token stop);
  // libgit2's question; `asked_url` is another than ours after a redirect, and then the token stays here.
  // Returns 0 with *answer, or GIT_EAUTH when there is nothing more.
  int next(git_credential** answer, const std::string& asked_url, unsigned allowed_types);
  // The error of a login that was refused, saying what was tried.
  Error refused() const;

 private:
  struct Login {
    std::string user;
    Secret password;
  };
  std::optional<Login> from_helper() const;
  std::string ssh_user() const;

  const GitUrl url_;
  const Secret token_;
  std::stop_token stop_;
  bool token_given_ = false, helper_asked_ = false, helper_given_ = false, agent_asked_ = false,
       key_given_ = false;
  std::deque<std::filesystem::path> keys_;
};

}  // namespace slipway::git
