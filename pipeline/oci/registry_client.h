// The registry protocol (distribution-spec v1.1) as a client: pull, push, resolve.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/secret.h"
#include "oci/descriptor.h"
#include "oci/reference.h"
#include "oci/store.h"

namespace slipway::oci {

struct Credentials {
  std::string username;
  Secret password;
  bool empty() const { return username.empty() && password.empty(); }
};

struct RegistryOptions {
  bool insecure = false;  // plain HTTP for a host that is not loopback, TLS not verified
  std::map<std::string, std::string>
      mirrors;              // "docker.io" or "docker.io/library/x" → "127.0.0.1:5000[/prefix]"
  std::string config_json;  // credentials as docker's config.json, or "user:password"; empty: the user's own
                            // files
  fs::path origins;  // folder that remembers which repository has a blob (oci/blob_origins.h); may be empty
};

// Below a user's cache folder.
inline fs::path origins_folder(const fs::path& cache_dir) {
  return cache_dir / "origins";
}

// docker's config.json: $DOCKER_CONFIG, ~/.docker, $REGISTRY_AUTH_FILE, containers/auth.json;
// credHelpers[host], then credsStore, then auths.
Credentials find_credentials(const std::string& registry, const std::string& config_json);

using OnBytes = std::function<void(std::int64_t done, std::int64_t total)>;

// What an image is, without its layers.
struct ImageDescription {
  Descriptor descriptor;           // what the reference points to
  std::optional<Index> index;      // when that is an index
  Descriptor manifest_descriptor;  // of the one chosen for the platform; equals `descriptor` without an index
  Manifest manifest;
  ImageConfig config;
};
// Of an image in a store; Error(unavailable) when a document of it is missing or damaged.
ImageDescription describe_stored(const Store& store, const Descriptor& image, const Platform& platform);

// Owned by one thread at a time.
class RegistryClient {
 public:
  explicit RegistryClient(RegistryOptions options, std::stop_token stop = {});
  ~RegistryClient();

  // The descriptor a reference points to now (HEAD, else GET). Error(unavailable) "not found", Error(auth) on
  // 401/403; trail and hint name the reference.
  Descriptor resolve(const Reference& reference);
  // Manifest and config, verified; nothing is stored.
  ImageDescription describe(const Reference& reference, const Platform& platform);
  // Manifest (of an index: the one for `platform`), config and layers into the store; what is there stays.
  Descriptor pull(const Reference& reference, Store& into, const Platform& platform,
                  const OnBytes& on_bytes = {});
  // Every blob the registry does not have, then manifests; returns what the tag points to.
  Descriptor push(const Store& from, const Descriptor& image, const Reference& to,
                  const OnBytes& on_bytes = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::oci
