// Layers: deterministic tar (ustar, PAX where needed) of changes, compressed and hashed in one pass.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "oci/descriptor.h"
#include "oci/store.h"

namespace slipway::oci {

struct Layer {
  Descriptor descriptor;  // compressed, in the store
  Digest diff_id;         // of the tar inside
};

struct Entry {
  enum class Type { file, dir, symlink, hardlink, character, block, fifo } type = Type::file;
  std::string path;           // relative, no leading '/', no "..", no trailing '/'
  std::uint32_t mode = 0644;  // 07777
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;  // of a file
  std::int64_t mtime = 0;  // seconds since the epoch
  std::string link;        // target of a symlink; path in this layer of a hardlink
  std::uint32_t dev_major = 0, dev_minor = 0;
  std::map<std::string, std::string> xattrs;  // raw values
};

enum class Compression { gzip, zstd, none };

// Entries come in the order they are added; callers add parents before children, sorted by path for
// determinism. The same calls give the same bytes on every machine, whatever its number of cores.
class LayerWriter {
 public:
  LayerWriter(const Store& store, Compression compression = Compression::gzip);
  ~LayerWriter();
  void add(const Entry& entry);                                // everything but files with content
  void add_file(const Entry& entry, const fs::path& content);  // Error when its size changed meanwhile
  void add_file(const Entry& entry, std::string_view content);
  void whiteout(const std::string& path);  // ".wh.NAME"
  void opaque(const std::string& dir);     // ".wh..wh..opq"
  bool empty() const;
  Layer finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Unpacks one layer over `root` as image-spec layer.md says (whiteouts applied to `root` when
// `apply_whiteouts`, otherwise turned into overlayfs whiteouts: char 0/0 and trusted.overlay.opaque). Never
// writes outside root:
// "..", absolute paths, links through symlinks are refused (Error). Limits guard bombs.
struct UnpackOptions {
  bool overlay_whiteouts = true;
  bool keep_owner = true;  // false when not root
  std::uint64_t max_bytes = 64ull << 30;
  std::uint64_t max_entries = 5'000'000;
};
void unpack_layer(const Store& store, const Descriptor& layer, const fs::path& root,
                  const UnpackOptions& options = {});

}  // namespace slipway::oci
