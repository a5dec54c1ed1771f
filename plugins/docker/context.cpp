#include "plugins/docker/context.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/patterns.h"
#include "oci/layer.h"
#include "sys/files.h"

namespace slipway::docker {

namespace {

class Packer {
 public:
  Packer(const fs::path& root, const std::string& dockerfile, oci::LayerWriter& writer)
      : root_(root), dockerfile_(dockerfile), writer_(writer) {
    for (const auto& name : {dockerfile + ".dockerignore", std::string(".dockerignore")})
      if (const auto text = read_file_if_exists(root / name, 1 << 20)) {
        ignore_ = IgnoreRules(*text, name);
        break;
      }
  }

  void walk(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_ / folder)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    for (const auto& name : names) add(folder.empty() ? name : folder + "/" + name);
  }

 private:
  // The engine itself reads these two.
  bool is_kept(const std::string& path) const {
    return path == ".dockerignore" || path == dockerfile_ || dockerfile_.starts_with(path + "/");
  }

  void add(const std::string& path) {
    const auto full = root_ / path;
    struct stat st {};
    if (::lstat(full.c_str(), &st) != 0) throw_errno(fmt::format("read `{}`", full.string()), errno);
    const bool folder = S_ISDIR(st.st_mode);
    if (ignore_.ignores(path) && !is_kept(path) && !(folder && ignore_.may_keep_below(path))) return;
    oci::Entry entry;
    entry.path = path;
    entry.mode = st.st_mode & 07777;
    entry.mtime = st.st_mtime;
    if (folder) {
      entry.type = oci::Entry::Type::dir;
      writer_.add(entry);
      walk(path);
    } else if (S_ISLNK(st.st_mode)) {
      entry.type = oci::Entry::Type::symlink;
      entry.link = fs::read_symlink(full);
      writer_.add(entry);
    } else if (S_ISREG(st.st_mode)) {
      entry.size = static_cast<std::uint64_t>(st.st_size);
      writer_.add_file(entry, full);
    } else {
      throw Error(ExitCode::failed, fmt::format("`{}` is no file, folder or link, and cannot be sent", path))
          .hint("leave it out with a line in .dockerignore");
    }
  }

  const fs::path& root_;
  const std::string& dockerfile_;
  oci::LayerWriter& writer_;
  IgnoreRules ignore_;
};

}  // namespace

fs::path pack_context(const fs::path& context, const std::string& dockerfile, const fs::path& scratch) {
  std::error_code ec;
  if (!fs::is_regular_file(context / dockerfile, ec))
    throw Error(ExitCode::failed,
                fmt::format("there is no `{}` in the context `{}`", dockerfile, context.string()))
        .hint("`dockerfile` names it, below the context");
  const oci::Store store(scratch / "context");
  oci::LayerWriter writer(store, oci::Compression::none);
  Packer(context, dockerfile, writer).walk("");
  return store.blob_path(writer.finish().descriptor.digest);
}

}  // namespace slipway::docker
