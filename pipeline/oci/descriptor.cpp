// JSON of descriptors, manifests and indexes: deterministic writing, strict reading.
#include "oci/descriptor.h"

#include <sys/utsname.h>

#include "base/error.h"
#include "oci/json_fields.h"

namespace slipway::oci {
namespace {

constexpr std::size_t kMaxDescriptors = 10'000;  // layers or manifests in one document

std::string_view architecture_of(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.starts_with("armv")) return "arm";
  if (machine == "i686" || machine == "i386") return "386";
  return machine;
}

json to_json(const Platform& platform) {
  json out{{"architecture", platform.architecture}, {"os", platform.os}};
  if (!platform.variant.empty()) out["variant"] = platform.variant;
  return out;
}

std::map<std::string, std::string> annotations_of(const Fields& fields) {
  std::map<std::string, std::string> out;
  if (const json* found = fields.optional_object("annotations")) {
    for (const auto& [name, value] : found->items()) {
      if (!value.is_string()) fields.fail(fmt::format("annotation `{}` is no string", name));
      out[name] = value.get<std::string>();
    }
  }
  return out;
}

Descriptor read_descriptor(const json& value, std::string_view what) {
  const Fields fields(value, what);
  Descriptor out;
  out.media_type = fields.string("mediaType");
  const auto digest = fields.string("digest");
  const auto parsed = Digest::parse(digest);
  if (!parsed) fields.fail(fmt::format("`{}` is no sha256 digest", digest.substr(0, 100)));
  out.digest = *parsed;
  out.size = fields.size("size");
  if (const json* found = fields.optional_object("platform")) {
    const Fields platform(*found, what);
    out.platform = Platform{.os = platform.string("os"),
                            .architecture = platform.string("architecture"),
                            .variant = platform.optional_string("variant")};
  }
  out.annotations = annotations_of(fields);
  return out;
}

std::vector<Descriptor> read_list(const Fields& fields, const char* name, std::string_view what) {
  const json& list = fields.array(name);
  if (list.size() > kMaxDescriptors) {
    fields.fail(fmt::format("`{}` has {} entries, more than {}", name, list.size(), kMaxDescriptors));
  }
  std::vector<Descriptor> out;
  out.reserve(list.size());
  for (const auto& value : list) out.push_back(read_descriptor(value, what));
  return out;
}

// What manifest and index have in common: version 2, and only their own kind of members (CVE-2021-41190).
std::string check_kind(const Fields& fields, const char* foreign, bool (*kind)(std::string_view),
                       std::string_view fallback) {
  if (fields.optional_size("schemaVersion") != 2) {
    fields.fail("its `schemaVersion` is not 2");
  }
  if (fields.has(foreign)) fields.fail(fmt::format("it has `{}` too", foreign));
  const auto media_type = fields.optional_string("mediaType");
  if (media_type.empty()) return std::string(fallback);
  if (!kind(media_type)) fields.fail(fmt::format("its `mediaType` is `{}`", media_type.substr(0, 100)));
  return media_type;
}

json envelope(const std::string& media_type, const std::map<std::string, std::string>& annotations) {
  json out{{"schemaVersion", 2}, {"mediaType", media_type}};
  if (!annotations.empty()) out["annotations"] = annotations;
  return out;
}

json list_json(const std::vector<Descriptor>& list) {
  json out = json::array();
  for (const auto& item : list) out.push_back(oci::to_json(item));
  return out;
}

}  // namespace

Platform Platform::host() {
  static const Platform host = [] {
    utsname name{};
    if (::uname(&name) != 0) throw_errno("read the kernel's name", errno);
    Platform out;
    out.architecture = architecture_of(name.machine);
    if (out.architecture == "arm")
      out.variant = std::string_view(name.machine).starts_with("armv6") ? "v6" : "v7";
    return out;
  }();
  return host;
}

std::optional<Platform> Platform::parse(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const auto slash = std::min(text.find('/', start), text.size());
    parts.emplace_back(text.substr(start, slash - start));
    start = slash + 1;
  }
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  for (const auto& part : parts) {
    if (part.empty()) return std::nullopt;
    for (const char c : part)
      if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-')
        return std::nullopt;
  }
  Platform out{.os = parts[0], .architecture = parts[1], .variant = parts.size() == 3 ? parts[2] : ""};
  if (out.architecture == "x86_64") out.architecture = "amd64";
  if (out.architecture == "aarch64") out.architecture = "arm64";
  if (out.architecture == "arm64" && out.variant == "v8") out.variant.clear();
  return out;
}

std::string Platform::str() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

bool is_index(std::string_view media_type) {
  return media_type == media::index || media_type == media::docker_index;
}
bool is_manifest(std::string_view media_type) {
  return media_type == media::manifest || media_type == media::docker_manifest;
}

json to_json(const Descriptor& descriptor) {
  json out{
      {"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
  if (descriptor.platform) out["platform"] = to_json(*descriptor.platform);
  if (!descriptor.annotations.empty()) out["annotations"] = descriptor.annotations;
  return out;
}

Descriptor descriptor_from_json(const json& value) {
  return read_descriptor(value, "image descriptor");
}

std::string serialize(const Manifest& manifest) {
  json out = envelope(manifest.media_type, manifest.annotations);
  out["config"] = to_json(manifest.config);
  out["layers"] = list_json(manifest.layers);
  return dump(out);
}

std::string serialize(const Index& index) {
  json out = envelope(index.media_type, index.annotations);
  out["manifests"] = list_json(index.manifests);
  return dump(out);
}

Manifest parse_manifest(std::string_view text) {
  const json document = parse_document(text, "image manifest");
  const Fields fields(document, "image manifest");
  Manifest out;
  out.media_type = check_kind(fields, "manifests", is_manifest, media::manifest);
  out.config = read_descriptor(fields.object("config"), "image manifest");
  out.layers = read_list(fields, "layers", "image manifest");
  out.annotations = annotations_of(fields);
  return out;
}

Index parse_index(std::string_view text) {
  const json document = parse_document(text, "image index");
  const Fields fields(document, "image index");
  Index out;
  if (fields.has("config")) fields.fail("it has `config` too");
  out.media_type = check_kind(fields, "layers", is_index, media::index);
  out.manifests = read_list(fields, "manifests", "image index");
  out.annotations = annotations_of(fields);
  return out;
}

}  // namespace slipway::oci
