// The content store: an OCI image layout on disk.
#include "oci/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "oci/json_fields.h"
#include "sys/files.h"

namespace slipway::oci {
namespace {

constexpr const char* kRefName = "org.opencontainers.image.ref.name";
constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view kEmptyIndex =
    R"({"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2})";
constexpr int kMaxIndexDepth = 4;  // an index of indexes is rare; a deep one is an attack
constexpr std::size_t kCopyStep = 1 << 20;

fs::path index_path(const fs::path& layout) {
  return layout / "index.json";
}

// The layout's own file is what processes lock: it never changes, and no other tool minds.
FileLock lock_layout(const fs::path& layout) {
  return FileLock::wait(layout / "oci-layout");
}

void check_layout(const fs::path& layout, const std::string& text) {
  const json document = parse_document(text, "OCI image layout");
  const auto version = Fields(document, "OCI image layout").string("imageLayoutVersion");
  if (!version.starts_with("1.")) {
    throw Error(ExitCode::usage,
                fmt::format("`{}` is an OCI image layout of version `{}`", layout.native(), version))
        .hint("slipway reads version 1");
  }
}

json read_index_json(const fs::path& layout) {
  const auto text = read_file_if_exists(index_path(layout), 64ull << 20);
  return parse_document(text ? std::string_view(*text) : kEmptyIndex, "image index");
}

std::string ref_name(const json& item) {
  if (!item.is_object()) return {};
  const auto annotations = item.find("annotations");
  if (annotations == item.end() || !annotations->is_object()) return {};
  const auto name = annotations->find(kRefName);
  return name != annotations->end() && name->is_string() ? name->get<std::string>() : std::string();
}

// What an index offers for a platform; an image without a platform fits any (attestations say "unknown").
const Descriptor* choose(const Index& index, const Platform& platform) {
  const Descriptor* loose = nullptr;
  for (const auto& item : index.manifests) {
    if (!item.platform) {
      if (!loose) loose = &item;
      continue;
    }
    Platform offered = *item.platform;
    if (offered.architecture == "arm64" && offered.variant == "v8") offered.variant.clear();
    if (offered == platform) return &item;
    if (platform.variant.empty() && offered.os == platform.os &&
        offered.architecture == platform.architecture && !loose) {
      loose = &item;
    }
  }
  return loose;
}

void copy_blob(const Store& from, const Descriptor& blob, const Store& to) {
  if (to.has(blob)) return;
  const auto path = from.blob_path(blob.digest);
  const Fd source(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) throw_errno(fmt::format("read blob `{}`", path.native()), errno);
  auto writer = to.writer();
  std::string buffer(kCopyStep, '\0');
  while (true) {
    const auto count = ::read(source.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno(fmt::format("read blob `{}`", path.native()), errno);
    if (count == 0) break;
    writer.write({buffer.data(), static_cast<std::size_t>(count)});
  }
  writer.commit(blob.digest);
}

void copy_tree(const Store& from, const Descriptor& image, const Store& to, int depth) {
  if (depth > kMaxIndexDepth) throw Error(ExitCode::unavailable, "an image index is nested too deep");
  if (is_index(image.media_type)) {
    for (const auto& item : parse_index(from.get(image.digest)).manifests) {
      // A layout may hold an index of many platforms of which only some were fetched.
      if (from.has(item)) copy_tree(from, item, to, depth + 1);
    }
  } else if (is_manifest(image.media_type)) {
    const auto manifest = parse_manifest(from.get(image.digest));
    copy_blob(from, manifest.config, to);
    for (const auto& layer : manifest.layers) copy_blob(from, layer, to);
  }
  copy_blob(from, image, to);
}

}  // namespace

Store::Store(fs::path layout) : layout_(std::move(layout)) {
  const auto marker = layout_ / "oci-layout";
  if (const auto text = read_file_if_exists(marker, 4096)) {
    check_layout(layout_, *text);
    make_dirs(layout_ / "blobs" / "sha256");
    return;
  }
  make_dirs(layout_ / "blobs" / "sha256");
  write_file_atomic(marker, kLayoutFile);
  const auto lock = lock_layout(layout_);
  if (!read_file_if_exists(index_path(layout_), 64ull << 20))
    write_file_atomic(index_path(layout_), kEmptyIndex);
}

fs::path Store::blob_path(const Digest& digest) const {
  return layout_ / "blobs" / "sha256" / digest.hex();
}

bool Store::has(const Digest& digest) const {
  struct stat info {};
  return ::stat(blob_path(digest).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool Store::has(const Descriptor& descriptor) const {
  struct stat info {};
  return ::stat(blob_path(descriptor.digest).c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         static_cast<std::uint64_t>(info.st_size) == descriptor.size;
}

Digest Store::put(std::string_view bytes) {
  const auto digest = Digest::of(bytes);
  struct stat info {};
  if (::stat(blob_path(digest).c_str(), &info) == 0 &&
      static_cast<std::uint64_t>(info.st_size) == bytes.size()) {
    return digest;
  }
  auto blob = writer();
  blob.write(bytes);
  return blob.commit(digest);
}

std::string Store::get(const Digest& digest, std::uint64_t limit) const {
  auto text = read_file_if_exists(blob_path(digest), limit);
  if (!text) {
    throw Error(ExitCode::unavailable, fmt::format("`{}` has no blob `{}`", layout_.native(), digest.str()))
        .hint("build or pull the image again");
  }
  if (Digest::of(*text) != digest) {
    throw Error(ExitCode::unavailable, fmt::format("blob `{}` is corrupt", blob_path(digest).native()))
        .hint("remove this file, then build or pull the image again");
  }
  return std::move(*text);
}

void Store::tag(const std::string& name, const Descriptor& descriptor) {
  const auto lock = lock_layout(layout_);
  json index = read_index_json(layout_);
  json kept = json::array();
  for (const auto& item : Fields(index, "image index").array("manifests"))
    if (ref_name(item) != name) kept.push_back(item);
  Descriptor named = descriptor;
  named.annotations[kRefName] = name;
  kept.push_back(to_json(named));
  index["manifests"] = std::move(kept);
  write_file_atomic(index_path(layout_), dump(index));
}

std::optional<Descriptor> Store::find(const std::string& name) const {
  for (auto& [known, descriptor] : tags())
    if (known == name) return descriptor;
  return std::nullopt;
}

std::vector<std::pair<std::string, Descriptor>> Store::tags() const {
  std::vector<std::pair<std::string, Descriptor>> out;
  const json index = read_index_json(layout_);
  for (const auto& item : Fields(index, "image index").array("manifests")) {
    auto descriptor = descriptor_from_json(item);
    descriptor.annotations.erase(kRefName);
    out.emplace_back(ref_name(item), std::move(descriptor));
  }
  return out;
}

Manifest Store::manifest(const Descriptor& descriptor) const {
  return manifest(descriptor, Platform::host());
}

Manifest Store::manifest(const Descriptor& descriptor, const Platform& platform) const {
  Descriptor at = descriptor;
  for (int depth = 0; is_index(at.media_type); ++depth) {
    if (depth > kMaxIndexDepth) throw Error(ExitCode::unavailable, "an image index is nested too deep");
    at = choose_platform(parse_index(get(at.digest)), platform);
  }
  if (!is_manifest(at.media_type)) {
    throw Error(ExitCode::unavailable,
                fmt::format("`{}` is no image: its media type is `{}`", at.digest.str(), at.media_type));
  }
  auto out = parse_manifest(get(at.digest));
  if (out.media_type != at.media_type && out.media_type != media::manifest) {
    throw Error(ExitCode::unavailable, fmt::format("`{}` calls itself `{}`, but was announced as `{}`",
                                                   at.digest.str(), out.media_type, at.media_type));
  }
  return out;
}

ImageConfig Store::config(const Manifest& manifest) const {
  auto out = parse_config(get(manifest.config.digest));
  if (out.diff_ids.size() != manifest.layers.size()) {
    throw Error(ExitCode::unavailable,
                fmt::format("image config `{}` speaks of {} layers, its manifest of {}",
                            manifest.config.digest.str(), out.diff_ids.size(), manifest.layers.size()));
  }
  return out;
}

Descriptor Store::put_image(const ImageConfig& config, const std::vector<Descriptor>& layers) {
  const auto config_text = serialize(config);
  Manifest manifest;
  manifest.config.media_type = media::config;
  manifest.config.digest = put(config_text);
  manifest.config.size = config_text.size();
  manifest.layers = layers;
  const auto text = serialize(manifest);
  Descriptor out;
  out.media_type = media::manifest;
  out.digest = put(text);
  out.size = text.size();
  return out;
}

Descriptor choose_platform(const Index& index, const Platform& platform) {
  if (const Descriptor* found = choose(index, platform)) return *found;
  std::string offered;
  for (const auto& item : index.manifests) {
    if (!item.platform || item.platform->os == "unknown") continue;
    offered += (offered.empty() ? "`" : ", `") + item.platform->str() + "`";
  }
  throw Error(ExitCode::unavailable, fmt::format("the image has no variant for `{}`", platform.str()))
      .hint(offered.empty() ? "its index is empty" : "it has " + offered);
}

Store open_user_store(const fs::path& cache_dir) {
  return Store(cache_dir / "store");
}

void copy_image(const Store& from, const Descriptor& image, const Store& to) {
  copy_tree(from, image, to, 0);
}

}  // namespace slipway::oci
