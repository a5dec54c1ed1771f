// Where a repository is, as data: nothing in a URL or ref may become an option or a program to run
// (CVE-2017-1000117, CVE-2018-17456). gitmodules(5) and git-fetch(1) "GIT URLS" for the forms.
#pragma once
#include <filesystem>
#include <string>

namespace slipway::git {

struct GitUrl {
  std::string scheme;  // "https", "http", "ssh", "git" or "file"
  std::string user, host;
  int port = 0;      // the scheme's own when none is given
  std::string path;  // of "file": absolute
  std::string text;  // what libgit2 gets; holds no password

  bool local() const { return scheme == "file"; }
  bool same_server(const GitUrl& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// https://, http://, ssh://, git://, file://, user@host:path, or a folder (relative to `base`). Throws
// Error(usage) "`ext::sh -c x` is no git URL: `ext::` would run a program" for everything else.
GitUrl parse_url(const std::string& text, const std::filesystem::path& base);

// A submodule's URL: "./" and "../" are relative to the URL of the repository that has it (gitmodules(5)).
// One of a repository elsewhere may not point into this machine: Error(usage).
GitUrl submodule_url(const GitUrl& parent, const std::string& text);

// Throws Error(usage) when `ref` cannot be a branch, tag or commit; empty is fine (the remote's HEAD).
void check_ref(const std::string& ref);

// True when `path` may be a submodule's: relative, no "..", no ".git", no control characters, no '-' in
// front.
bool is_safe_submodule_path(const std::string& path);

std::string escaped(std::string_view text);  // control characters as \r or \x1b, to be shown

}  // namespace slipway::git
