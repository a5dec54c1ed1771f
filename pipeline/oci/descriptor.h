// Descriptors, platforms, image configs, manifests and indexes (image-spec v1.1), and their JSON.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sys/digest.h"

namespace slipway::oci {

using json = nlohmann::json;

namespace media {
inline constexpr std::string_view manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_index = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}  // namespace media

struct Platform {
  std::string os = "linux", architecture = "amd64", variant;
  static Platform host();
  static std::optional<Platform> parse(std::string_view text);  // "linux/arm64/v8"
  std::string str() const;
  bool operator==(const Platform&) const = default;
};

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;  // bytes
  std::optional<Platform> platform;
  std::map<std::string, std::string> annotations;
  bool operator==(const Descriptor&) const = default;
};

struct History {
  std::string created, created_by, comment;
  bool empty_layer = false;
};

struct ImageHealthcheck {  // Docker's extension of the config; nanoseconds, as there
  std::vector<std::string> test;
  std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0;
  int retries = 0;
};

// The image config (image-spec config.md). Unknown members are kept in `extra` and written back.
struct ImageConfig {
  Platform platform;
  std::string created, author;
  std::string user, working_dir, stop_signal;
  std::vector<std::string> env;  // "K=V"
  std::vector<std::string> entrypoint, cmd, shell, on_build;
  std::map<std::string, std::string> labels;
  std::vector<std::string> exposed_ports, volumes;  // sorted
  std::optional<ImageHealthcheck> healthcheck;
  bool args_escaped = false;
  std::vector<Digest> diff_ids;
  std::vector<History> history;
  json extra = json::object();
};

struct Manifest {
  std::string media_type{media::manifest};
  Descriptor config;
  std::vector<Descriptor> layers;
  std::map<std::string, std::string> annotations;
};

struct Index {
  std::string media_type{media::index};
  std::vector<Descriptor> manifests;
  std::map<std::string, std::string> annotations;
};

// Deterministic bytes (sorted members, no spaces) and strict reading: Error(unavailable) "is no image
// manifest: …" when members are missing or both `manifests` and `layers` stand there (CVE-2021-41190).
std::string serialize(const ImageConfig& config);
std::string serialize(const Manifest& manifest);
std::string serialize(const Index& index);
ImageConfig parse_config(std::string_view text);
Manifest parse_manifest(std::string_view text);
Index parse_index(std::string_view text);
bool is_index(std::string_view media_type);
bool is_manifest(std::string_view media_type);

json to_json(const Descriptor& descriptor);
Descriptor descriptor_from_json(const json& value);

}  // namespace slipway::oci
