// Images out of the store, in the forms that other tools read.
#pragma once
#include <filesystem>
#include <string>

#include "oci/store.h"

namespace slipway::oci {

// `target`: "oci:DIR[:TAG]", "oci-archive:FILE" or "docker-archive:FILE" (`docker load`). `name` is the tag
// written into it when the target has none; may be empty. Throws Error(usage) for another form. A file is
// replaced atomically.
void export_image(const Store& store, const Descriptor& image, const std::string& target,
                  const std::string& name);

}  // namespace slipway::oci
