#include "plugins/dockerfile/sources.h"

#include <algorithm>

#include "base/error.h"
#include "base/suggest.h"
#include "oci/rootpath.h"

namespace slipway::dockerfile {

using oci::leaves_root;
using oci::resolve_in;
using oci::stat_in;

namespace {

std::vector<std::string> names_in(const fs::path& dir) {
  std::vector<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    out.push_back(it->path().filename().string());
  if (ec) throw_errno(fmt::format("read the folder `{}`", dir.string()), ec.value());
  std::sort(out.begin(), out.end());
  return out;
}

const char* kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : name.empty() ? folder : folder + "/" + name;
}

class Selector {
 public:
  explicit Selector(const SourceTree& tree) : tree_(tree) {}

  std::vector<Source> run(const std::string& pattern) {
    // As BuildKit: "/a", "./a" and "../a" all mean "a" at the tree's root.
    auto clean = fs::path("/" + pattern).lexically_normal().string();
    while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
    clean.erase(0, 1);
    std::vector<Source> out;
    if (!has_wildcard(clean)) {
      if (auto one = source(clean)) out.push_back(std::move(*one));
      if (out.empty()) missing(pattern, clean);
      return out;
    }
    std::vector<std::string> matches;
    match(clean, "", matches);
    for (const auto& path : matches)
      if (auto one = source(path)) out.push_back(std::move(*one));
    return out;
  }

 private:
  // Components of the pattern matched one by one, so that only folders that can match are read.
  void match(std::string_view pattern, const std::string& folder, std::vector<std::string>& out) {
    const auto slash = pattern.find('/');
    const auto part = pattern.substr(0, slash);
    const auto dir = resolve_in(tree_.root, folder);
    const auto st = stat_in(tree_.root, dir);
    if (!st || !S_ISDIR(st->st_mode)) return;
    for (const auto& name : names_in(tree_.root / dir)) {
      if (!match_path(part, name)) continue;
      const auto path = join(folder, name);
      if (slash == std::string_view::npos)
        out.push_back(path);
      else
        match(pattern.substr(slash + 1), path, out);
    }
  }

  std::optional<Source> source(const std::string& path) {
    if (!tree_.keep_owner && !tree_.ignore.ignores(path) && leaves_root(tree_.root, path)) {
      throw Error(ExitCode::failed, fmt::format("`{}` is a link that leads out of {}", path, tree_.name))
          .hint("copy the file itself into the folder");
    }
    const auto resolved = resolve_in(tree_.root, path);
    auto st = stat_in(tree_.root, resolved);
    if (!st) return std::nullopt;
    const bool ignored = !path.empty() && tree_.ignore.ignores(path);
    if (ignored && !(S_ISDIR(st->st_mode) && tree_.ignore.may_keep_below(path))) return std::nullopt;
    Source out;
    out.path = path;
    out.keep_owner = tree_.keep_owner;
    out.named = fs::path(path).filename().string();
    add(out, path, resolved, "", *st);
    // A folder of which nothing is kept is as good as not there.
    if (ignored && out.nodes.size() == 1) return std::nullopt;
    return out;
  }

  // `path` is where it is in the tree as the rules see it, `place` where it really lies.
  void add(Source& out, const std::string& path, const std::string& place, const std::string& below,
           const struct stat& st) {
    Node node;
    node.path = below;
    node.full = place.empty() ? tree_.root / "." : tree_.root / place;
    node.st = st;
    const bool dir = S_ISDIR(st.st_mode);
    if (S_ISLNK(st.st_mode))
      node.link = fs::read_symlink(node.full).string();
    else if (!dir && !S_ISREG(st.st_mode))
      throw Error(ExitCode::failed, fmt::format("`{}` in {} is {}, which cannot be copied", path, tree_.name,
                                                kind_of(st.st_mode)))
          .hint("leave it out with a line in .dockerignore");
    const auto at = out.nodes.size();
    out.nodes.push_back(std::move(node));
    if (!dir) return;
    const bool ignored = !path.empty() && tree_.ignore.ignores(path);
    for (const auto& name : names_in(tree_.root / place)) {
      const auto child = join(path, name), child_place = join(place, name);
      const auto child_st = stat_in(tree_.root, child_place);
      if (!child_st) continue;  // gone meanwhile
      if (tree_.ignore.ignores(child) && !(S_ISDIR(child_st->st_mode) && tree_.ignore.may_keep_below(child)))
        continue;
      add(out, child, child_place, join(below, name), *child_st);
    }
    if (ignored && !below.empty() && out.nodes.size() == at + 1) out.nodes.pop_back();
  }

  [[noreturn]] void missing(const std::string& pattern, const std::string& clean) {
    if (const auto* rule = tree_.ignore.ignores(clean);
        rule && stat_in(tree_.root, resolve_in(tree_.root, clean))) {
      throw Error(ExitCode::failed,
                  fmt::format("`{}` is left out of {} by `{}`", pattern, tree_.name, rule->pattern))
          .hint(fmt::format("see {}:{}", tree_.ignore.file(), rule->line));
    }
    Error error(ExitCode::failed, fmt::format("`{}` is not in {}", pattern, tree_.name));
    // The deepest folder that is there, and what in it has a name like the one that is not.
    std::string folder;
    for (const auto& part : fs::path(clean)) {
      const auto st = stat_in(tree_.root, resolve_in(tree_.root, join(folder, part.string())));
      if (st && S_ISDIR(st->st_mode)) {
        folder = join(folder, part.string());
        continue;
      }
      auto names = names_in(tree_.root / resolve_in(tree_.root, folder));
      if (const auto near = suggest(part.string(), names))
        error.hint(fmt::format("did you mean `{}`?", join(folder, *near)));
      break;
    }
    if (error.hint().empty() && pattern.starts_with(".."))
      error.hint("`..` does not lead out of the context");
    throw error;
  }

  const SourceTree& tree_;
};

}  // namespace

std::vector<Source> select_sources(const SourceTree& tree, const std::string& pattern) {
  return Selector(tree).run(pattern);
}

Digest digest_of(const std::vector<Source>& sources) {
  Hasher hasher;
  for (const auto& source : sources) {
    hasher.field(source.named);
    for (const auto& node : source.nodes) {
      // The mode of a copied folder itself is not carried over, that of a checkout's root least of all.
      const bool top_dir = node.path.empty() && source.is_dir();
      hasher.field(node.path).field(fmt::format("{:o}", top_dir ? S_IFDIR : node.st.st_mode));
      if (source.keep_owner) hasher.field(fmt::format("{}:{}", node.st.st_uid, node.st.st_gid));
      if (S_ISLNK(node.st.st_mode)) hasher.field(node.link);
      if (S_ISREG(node.st.st_mode)) hasher.field(Digest::of_file(node.full).hex());
    }
  }
  return hasher.finish();
}

}  // namespace slipway::dockerfile
