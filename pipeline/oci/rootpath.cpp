#include "oci/rootpath.h"

#include <deque>
#include <vector>

#include "base/error.h"

namespace slipway::oci {

namespace {

constexpr int max_links = 40;

void prepend(std::deque<std::string>& rest, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  rest.insert(rest.begin(), parts.begin(), parts.end());
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : "/") + part;
  return out;
}

struct Resolved {
  std::string path;
  bool left = false;  // a ".." or an absolute link would have gone above the root
};

Resolved resolve(const fs::path& root, std::string_view path, bool follow_last) {
  std::deque<std::string> rest;
  prepend(rest, path);
  Resolved out;
  std::vector<std::string> done;
  int links = 0;
  while (!rest.empty()) {
    const auto part = rest.front();
    rest.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      if (done.empty())
        out.left = true;
      else
        done.pop_back();
      continue;
    }
    done.push_back(part);
    const auto here = root / join(done);
    std::error_code ec;
    if ((rest.empty() && !follow_last) || !fs::is_symlink(here, ec)) continue;
    if (++links > max_links)
      throw Error(ExitCode::failed, fmt::format("`{}` goes through too many links", path));
    const auto target = fs::read_symlink(here, ec).string();
    done.pop_back();
    if (target.starts_with('/')) {
      out.left = true;
      done.clear();
    }
    prepend(rest, target);
  }
  out.path = join(done);
  return out;
}

}  // namespace

std::string resolve_in(const fs::path& root, std::string_view path, bool follow_last) {
  return resolve(root, path, follow_last).path;
}

bool leaves_root(const fs::path& root, std::string_view path) {
  return resolve(root, path, true).left;
}

std::optional<struct stat> stat_in(const fs::path& root, const std::string& resolved) {
  struct stat st {};
  if (::lstat((resolved.empty() ? root / "." : root / resolved).c_str(), &st) == 0) return st;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_errno(fmt::format("read `/{}`", resolved), errno);
}

}  // namespace slipway::oci
