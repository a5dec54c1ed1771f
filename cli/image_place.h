// Where the image commands find an image or leave one: a layout on disk, or the user's own store.
#pragma once
#include <optional>
#include <string>

#include "oci/store.h"
#include "sys/files.h"

namespace slipway::cli {

// "oci:DIR[:TAG]".
struct LayoutPlace {
  fs::path dir;
  std::string tag;  // may be empty
};

// nullopt when `text` is of no such form (a registry's reference); Error(usage) when its DIR is missing or
// its kind is one that this command does not know (`docker-archive:`, `docker://`).
std::optional<LayoutPlace> parse_layout_place(const std::string& text);

// An image that lies on this machine.
struct LocalImage {
  oci::Store store;
  oci::Descriptor image;
  std::string name;  // as it may be shown
};

// The image in a layout; without a TAG its only one. Never makes a layout. Throws Error(usage) naming the
// tags there are.
LocalImage open_layout_image(const LayoutPlace& place);

// An image of the user's store by the name it was built or pulled under; nullopt when there is none of it.
std::optional<LocalImage> find_stored_image(const fs::path& cache_dir, const std::string& name);
// The same; Error(usage) with a name near it when there is none.
LocalImage open_stored_image(const fs::path& cache_dir, const std::string& name);

}  // namespace slipway::cli
