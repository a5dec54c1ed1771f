// A layer made of a folder: an overlay's upper, or a whole root.
#pragma once
#include <functional>

#include "oci/layer.h"

namespace slipway::oci {

// The time that every file of a layer made here has, 1980-01-02: the same on every machine, and no earlier
// than the zip format can hold. SOURCE_DATE_EPOCH replaces it.
inline constexpr std::int64_t layer_time = 315'619'200;

struct PackOptions {
  std::int64_t mtime = layer_time;
  std::int64_t since =
      0;  // files last changed before this (seconds) keep their own time: a package gave it to them
  std::function<bool(const std::string& path)> skip;  // leaves a path (and what is below) out
};

// Packs what lies below `dir`, sorted, overlay whiteouts and opaque folders as layers write them. Sets the
// times of the folder's content to `mtime` too, so that `dir` is exactly what the layer unpacks to. nullopt
// when it is empty.
std::optional<Layer> pack_tree(const Store& store, const fs::path& dir, const PackOptions& options = {});

// The extended attributes a layer carries: file capabilities (as version 2) and the user's own.
std::map<std::string, std::string> layer_xattrs(const fs::path& path);

}  // namespace slipway::oci
