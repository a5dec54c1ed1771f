// The file .gitmodules: a stranger's text, read without git's own reader, which follows includes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::git {

struct Module {
  std::string name, path, url;
};

// gitmodules(5) in git-config(1) syntax. Throws Error(usage) for paths that lead out, that begin with '-', or
// that hold control characters (CVE-2018-11235, CVE-2018-17456, CVE-2025-48384), and for lines that are no
// configuration. Modules without path or url are left out.
std::vector<Module> parse_modules(std::string_view text);

}  // namespace slipway::git
