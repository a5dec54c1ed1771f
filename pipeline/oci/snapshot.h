// Unpacked layers by diff id, shared by builds and containers, and overlay mounts made of them.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "oci/layer.h"
#include "oci/store.h"
#include "sys/fd.h"

namespace slipway::oci {

// A root file system for this process alone: layers, read-only or with an upper folder that takes the writes.
// It is a detached mount (fsmount(2)) where the kernel has them: it has no place in the mount table and goes
// with this process, even on kill -9. To run something in layers use SandboxSpec::overlay, not this.
class MountedRoot {
 public:
  MountedRoot(MountedRoot&&) noexcept;
  ~MountedRoot();
  int fd() const;                 // the root folder, for openat2 and open_in_root
  const fs::path& path() const;   // the same as a path that only this process can use
  const fs::path& upper() const;  // what was written, in overlayfs form; empty for a view
  void unmount();                 // now; the upper stays

 private:
  friend class Snapshots;
  struct Impl;
  explicit MountedRoot(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

class Snapshots {
 public:
  explicit Snapshots(fs::path cache_dir);
  // Where the unpacked folder of a layer is or would be.
  fs::path folder(const Digest& diff_id) const;
  // The unpacked folder of one layer, made when missing (under a lock, atomically).
  fs::path unpacked(const Store& store, const Descriptor& layer, const Digest& diff_id);
  // The lower folders of an image, lowest first.
  std::vector<fs::path> unpacked(const Store& store, const Manifest& manifest, const ImageConfig& config);
  // Takes an overlay upper that holds exactly what the layer `diff_id` unpacks to; it is moved, or removed
  // when another was quicker.
  fs::path adopt(const Digest& diff_id, const fs::path& upper);
  // Mounts `lowers` (lowest first) with a fresh upper below `scratch`.
  MountedRoot mount(const std::vector<fs::path>& lowers, const fs::path& scratch);
  // The same read-only.
  MountedRoot view(const std::vector<fs::path>& lowers);

 private:
  fs::path cache_dir_;
};

// Opens `path` below `root_fd` as a process with that root would: links, absolute ones too, and ".." stay
// inside (openat2 RESOLVE_IN_ROOT). An empty Fd with errno when it cannot.
Fd open_in_root(int root_fd, const fs::path& path, int flags);

// Mounts an overlay of `lowers` (lowest first) at `target`; for those who keep a mount beyond their own life
// (the local target). Long lists of lowers are handled.
void mount_overlay(const std::vector<fs::path>& lowers, const fs::path& upper, const fs::path& work,
                   const fs::path& target);
void unmount(const fs::path& target);  // lazily; no error when it is not mounted

}  // namespace slipway::oci
