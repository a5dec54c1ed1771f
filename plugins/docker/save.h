// From `docker save` to an image in the store.
#pragma once
#include <filesystem>
#include <functional>

#include "oci/store.h"

namespace slipway::docker {

namespace fs = std::filesystem;

// The one image of a docker archive (docker's image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset
// Format"), its layers compressed. Throws Error(unavailable) when the file is none or damaged.
oci::Descriptor store_archive(const fs::path& archive, const fs::path& scratch, oci::Store& store);

}  // namespace slipway::docker
