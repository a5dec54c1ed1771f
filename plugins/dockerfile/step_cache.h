// The layers that instructions made before, by a key of everything they depended on.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "oci/layer.h"

namespace slipway::dockerfile {

// A step's layer, or none when it changed nothing.
struct StepResult {
  std::optional<oci::Layer> layer;
};

// cache_dir/instructions: one small file a key, written atomically after its layer is in the store. Any
// process.
class StepCache {
 public:
  StepCache(std::filesystem::path cache_dir, const oci::Store& store);
  // nullopt also when the layer was collected from the store meanwhile.
  std::optional<StepResult> find(const Digest& key) const;
  void put(const Digest& key, const StepResult& result) const;

 private:
  std::filesystem::path file_of(const Digest& key) const;
  std::filesystem::path dir_;
  const oci::Store& store_;
};

}  // namespace slipway::dockerfile
