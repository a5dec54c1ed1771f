// The image that a FROM (or COPY --from) names: in the store, behind a mirror, or in a registry.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>

#include "oci/descriptor.h"
#include "oci/reference.h"
#include "oci/registry_client.h"
#include "oci/store.h"

namespace slipway::dockerfile {

namespace fs = std::filesystem;
using nlohmann::json;

struct Image {
  oci::Manifest manifest;
  oci::ImageConfig config;
};

struct BaseOptions {
  json mirrors =
      json::object();  // as in the map of pipeline: reference or prefix → image descriptor or "HOST/prefix"
  bool insecure = false;
  bool pull = false;  // ask the registry again what a tag points to
  std::stop_token stop;
  oci::OnBytes on_bytes;
};

// What a tag pointed to when it was first asked for is remembered below cache_dir until `pull` is set, so
// that a build is the same tomorrow. One thread.
class BaseImages {
 public:
  BaseImages(oci::Store& store, fs::path cache_dir, BaseOptions options);

  // In the store afterwards. Throws Error as the registry client does; Error(usage) for what is no reference.
  Image get(const std::string& reference, const oci::Platform& platform);
  // The digest that decides, without pulling: for cache keys. It is remembered too.
  Digest digest(const std::string& reference, const oci::Platform& platform);
  // The name means a local image from now on.
  static void forget(const fs::path& cache_dir, const oci::Reference& reference);

 private:
  std::optional<oci::Descriptor> local(const oci::Reference& reference, const oci::Platform& platform);
  std::optional<oci::Descriptor> mirrored(const oci::Reference& reference) const;
  oci::Descriptor resolved(const oci::Reference& reference);
  oci::RegistryClient client() const;

  oci::Store& store_;
  fs::path cache_dir_;
  BaseOptions options_;
};

}  // namespace slipway::dockerfile
