#include "oci/snapshot.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/error.h"
#include "oci/overlay.h"
#include "oci/scratch.h"

namespace slipway::oci {

struct MountedRoot::Impl {
  std::optional<Scratch> scratch;  // of a view; that of mount() is its caller's
  Fd fd;
  fs::path path, upper;
  bool attached = false;  // at `path`, where the kernel has no detached mounts
};

MountedRoot::MountedRoot(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MountedRoot::MountedRoot(MountedRoot&&) noexcept = default;
MountedRoot::~MountedRoot() {
  if (!impl_) return;
  try {
    unmount();
  } catch (const Error&) {  // detached lazily already, or never mounted
  }
}
int MountedRoot::fd() const {
  return impl_->fd.get();
}
const fs::path& MountedRoot::path() const {
  return impl_->path;
}
const fs::path& MountedRoot::upper() const {
  return impl_->upper;
}
void MountedRoot::unmount() {
  impl_->fd.reset();
  if (std::exchange(impl_->attached, false)) oci::unmount(impl_->path);
}

namespace {

Fd open_dir(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw_errno(fmt::format("open `{}`", path.string()), errno);
  return fd;
}

struct Opened {
  Fd fd;
  fs::path path;
  bool attached = false;
};

Opened open_overlay(const Overlay& overlay, const fs::path& dir) {
  make_dirs(dir / "links");
  make_dirs(dir / "links" / "empty");
  auto filled = overlay;
  if (filled.lowers.empty()) filled.lowers.push_back(dir / "links" / "empty");
  const auto options = link_overlay(filled, dir / "links");
  Opened opened;
  opened.fd = detached_overlay(dir / "links", options);
  if (opened.fd) {
    opened.path = fmt::format("/proc/self/fd/{}", opened.fd.get());
    return opened;
  }
  opened.path = dir / "root";
  make_dirs(opened.path);
  mount_overlay(filled.lowers, overlay.upper, overlay.work, opened.path);
  opened.attached = true;
  opened.fd = open_dir(opened.path);
  return opened;
}

}  // namespace

Snapshots::Snapshots(fs::path cache_dir) : cache_dir_(std::move(cache_dir)) {}

fs::path Snapshots::folder(const Digest& diff_id) const {
  return cache_dir_ / "snapshots" / diff_id.hex();
}

fs::path Snapshots::unpacked(const Store& store, const Descriptor& layer, const Digest& diff_id) {
  const auto place = folder(diff_id);
  if (fs::is_directory(place)) return place;
  make_dirs(place.parent_path());
  make_dirs(cache_dir_ / "locks");
  const auto lock = FileLock::wait(cache_dir_ / "locks" / ("snapshot-" + diff_id.hex()));
  if (fs::is_directory(place)) return place;
  const Scratch scratch(cache_dir_, "unpack");
  const auto root = scratch.path() / "root";
  make_dirs(root);
  UnpackOptions options;
  options.keep_owner = ::geteuid() == 0;
  try {
    unpack_layer(store, layer, root, options);
  } catch (Error& e) {
    e.trail(fmt::format("while unpacking layer `{}`", layer.digest.str()));
    throw;
  }
  std::error_code ec;
  fs::rename(root, place, ec);
  if (ec) throw_errno(fmt::format("move a layer to `{}`", place.string()), ec.value());
  return place;
}

std::vector<fs::path> Snapshots::unpacked(const Store& store, const Manifest& manifest,
                                          const ImageConfig& config) {
  if (manifest.layers.size() != config.diff_ids.size())
    throw Error(ExitCode::unavailable, fmt::format("the image's manifest has {} layers but its config has {}",
                                                   manifest.layers.size(), config.diff_ids.size()));
  std::vector<fs::path> out;
  for (std::size_t i = 0; i < manifest.layers.size(); ++i)
    out.push_back(unpacked(store, manifest.layers[i], config.diff_ids[i]));
  return out;
}

fs::path Snapshots::adopt(const Digest& diff_id, const fs::path& upper) {
  const auto place = folder(diff_id);
  make_dirs(place.parent_path());
  make_dirs(cache_dir_ / "locks");
  const auto lock = FileLock::wait(cache_dir_ / "locks" / ("snapshot-" + diff_id.hex()));
  if (fs::is_directory(place)) {
    remove_tree(upper);
    return place;
  }
  std::error_code ec;
  fs::rename(upper, place, ec);
  if (ec) throw_errno(fmt::format("move a layer to `{}`", place.string()), ec.value());
  return place;
}

MountedRoot Snapshots::mount(const std::vector<fs::path>& lowers, const fs::path& scratch) {
  auto impl = std::make_unique<MountedRoot::Impl>();
  impl->upper = scratch / "upper";
  make_dirs(impl->upper);
  make_dirs(scratch / "work");
  auto opened = open_overlay({lowers, impl->upper, scratch / "work"}, scratch);
  impl->fd = std::move(opened.fd);
  impl->path = opened.path;
  impl->attached = opened.attached;
  return MountedRoot(std::move(impl));
}

MountedRoot Snapshots::view(const std::vector<fs::path>& lowers) {
  auto impl = std::make_unique<MountedRoot::Impl>();
  if (lowers.size() == 1) {
    // One layer needs no mount; its whiteouts, if any, hide nothing.
    impl->path = lowers.front();
    impl->fd = open_dir(impl->path);
    return MountedRoot(std::move(impl));
  }
  impl->scratch.emplace(cache_dir_, "view");
  // An overlay needs two lowers, or an upper.
  auto filled = lowers;
  while (filled.size() < 2) {
    filled.push_back(impl->scratch->path() / fmt::format("empty{}", filled.size()));
    make_dirs(filled.back());
  }
  auto opened = open_overlay({filled, {}, {}}, impl->scratch->path());
  impl->fd = std::move(opened.fd);
  impl->path = opened.path;
  impl->attached = opened.attached;
  return MountedRoot(std::move(impl));
}

}  // namespace slipway::oci
