// Unpacked layers by diff id, shared by builds and containers, and overlay mounts made of them.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "oci/layer.h"
#include "oci/store.h"

namespace slipway::oci {

// A mounted root: lower layers read-only, an upper folder that takes the writes. Unmounted with its owner.
class MountedRoot {
 public:
  MountedRoot(MountedRoot&&) noexcept;
  ~MountedRoot();
  const fs::path& path() const;   // the root file system
  const fs::path& upper() const;  // what was written, in overlayfs form
  void unmount();                 // now, throwing when busy; the upper stays until the owner goes

 private:
  friend class Snapshots;
  struct Impl;
  explicit MountedRoot(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

class Snapshots {
 public:
  explicit Snapshots(fs::path cache_dir);
  // The unpacked folder of one layer, made when missing (under a lock, atomically).
  fs::path unpacked(const Store& store, const Descriptor& layer, const Digest& diff_id);
  // The lower folders of an image, lowest first.
  std::vector<fs::path> unpacked(const Store& store, const Manifest& manifest, const ImageConfig& config);
  // Mounts `lowers` (lowest first) with a fresh upper below `scratch`, or, when `upper` is given, that one.
  MountedRoot mount(const std::vector<fs::path>& lowers, const fs::path& scratch);

 private:
  fs::path cache_dir_;
};

// The overlay options "lowerdir=…,upperdir=…,workdir=…" mounted at `target`; for those who keep a mount
// beyond their own life (the local target). Long lists of lowers are handled.
void mount_overlay(const std::vector<fs::path>& lowers, const fs::path& upper, const fs::path& work,
                   const fs::path& target);
void unmount(const fs::path& target);  // lazily; no error when it is not mounted

}  // namespace slipway::oci
