// What the cache folder holds, and bringing it down to a size: the least recently used goes first.
#pragma once
#include <cstdint>

#include "run/cache.h"
#include "sys/files.h"

namespace slipway {

struct CacheSizes {             // bytes on disk
  std::uint64_t images = 0;     // the store
  std::uint64_t snapshots = 0;  // unpacked layers
  std::uint64_t git = 0;        // mirrors and checkouts
  std::uint64_t other = 0;
  std::uint64_t total() const { return images + snapshots + git + other; }
};
CacheSizes measure_cache(const fs::path& cache_dir);

struct CollectOptions {
  std::uint64_t keep = 0;     // bytes of images and snapshots
  Millis min_age{3'600'000};  // what is younger stays: something may be using it that has no name for it yet
  bool everything = false;    // `keep` and `min_age` do not matter: only what is protected stays
};

struct Collected {
  std::uint64_t freed = 0;  // bytes
  std::size_t outcomes = 0, blobs = 0, snapshots = 0;
};

// Forgets the outcomes used longest ago until what the others refer to fits, then removes blobs, snapshots
// and builders' notes that nothing kept refers to. Images with a name in the store, and every digest that a
// file of the state folder names (live releases; not the journals), stay whatever their size. No run may be
// going on.
Collected collect_cache(const Dirs& dirs, StepCache& cache, const CollectOptions& options);

}  // namespace slipway
