// The local content store: an OCI image layout (image-spec image-layout.md) that every step shares.
// Blobs are verified when written; a blob in place is whole. Safe for several processes.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/descriptor.h"
#include "sys/fd.h"

namespace slipway::oci {

namespace fs = std::filesystem;

// A blob being written: temp file, hashed as it goes; commit() fsyncs and renames it into place.
class BlobWriter {
 public:
  BlobWriter(const fs::path& layout);
  BlobWriter(BlobWriter&&) noexcept;
  ~BlobWriter();  // without commit: the temp file is removed
  void write(std::string_view bytes);
  std::uint64_t size() const;
  // When `expected` is given and differs: Error(unavailable) "blob is corrupt", nothing is kept.
  Digest commit(const std::optional<Digest>& expected = std::nullopt);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Store {
 public:
  explicit Store(fs::path layout);  // makes the layout when it is not there
  const fs::path& path() const { return layout_; }
  fs::path blob_path(const Digest& digest) const;
  bool has(const Digest& digest) const;
  bool has(const Descriptor& descriptor) const;  // also the right size
  Digest put(std::string_view bytes);
  std::string get(const Digest& digest,
                  std::uint64_t limit = 64ull << 20) const;  // verified; Error when missing
  BlobWriter writer() const { return BlobWriter(layout_); }

  // index.json: names (org.opencontainers.image.ref.name) → descriptor, replaced under a lock.
  void tag(const std::string& name, const Descriptor& descriptor);
  std::optional<Descriptor> find(const std::string& name) const;
  std::vector<std::pair<std::string, Descriptor>> tags() const;

  Manifest manifest(const Descriptor& descriptor) const;  // follows an index to `platform` (default: host)
  Manifest manifest(const Descriptor& descriptor, const Platform& platform) const;
  ImageConfig config(const Manifest& manifest) const;
  // Writes config and manifest blobs; the image's descriptor.
  Descriptor put_image(const ImageConfig& config, const std::vector<Descriptor>& layers);

 private:
  fs::path layout_;
};

// The manifest that an index has for a platform; Error(unavailable) naming what it has instead.
Descriptor choose_platform(const Index& index, const Platform& platform);

// cache_dir/"store": the one store of a user.
Store open_user_store(const fs::path& cache_dir);

// Copies an image (or index) with everything it refers to; blobs that are there are not copied again.
void copy_image(const Store& from, const Descriptor& image, const Store& to);

}  // namespace slipway::oci
