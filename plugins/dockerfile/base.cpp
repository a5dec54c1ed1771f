#include "plugins/dockerfile/base.h"

#include "base/error.h"
#include "sys/files.h"

namespace slipway::dockerfile {

namespace {

// "python:3.11" and "docker.io/library/python:3.11" are one key; "docker.io" and "docker.io/library" are
// prefixes.
bool covers(const std::string& key, const oci::Reference& reference) {
  if (key == reference.str() || key == reference.familiar() || key == reference.name()) return true;
  return reference.name().starts_with(key + "/");
}

fs::path memory_of(const fs::path& cache_dir, const oci::Reference& reference) {
  return cache_dir / "bases" / Digest::of(reference.str()).hex();
}

}  // namespace

BaseImages::BaseImages(oci::Store& store, fs::path cache_dir, BaseOptions options)
    : store_(store), cache_dir_(std::move(cache_dir)), options_(std::move(options)) {}

oci::RegistryClient BaseImages::client() const {
  oci::RegistryOptions options;
  options.insecure = options_.insecure;
  options.origins = oci::origins_folder(cache_dir_);
  for (const auto& [key, value] : options_.mirrors.items())
    if (value.is_string()) options.mirrors[key] = value.get<std::string>();
  return oci::RegistryClient(options, options_.stop);
}

std::optional<oci::Descriptor> BaseImages::mirrored(const oci::Reference& reference) const {
  const json* best = nullptr;
  std::size_t length = 0;
  for (const auto& [key, value] : options_.mirrors.items()) {
    if (key.size() < length || !covers(key, reference)) continue;
    best = &value;
    length = key.size();
  }
  if (!best || !best->is_object()) return std::nullopt;
  return oci::descriptor_from_json(*best);
}

std::optional<oci::Descriptor> BaseImages::local(const oci::Reference& reference,
                                                 const oci::Platform& platform) {
  if (reference.digest) {
    if (!store_.has(*reference.digest)) return std::nullopt;
    const auto text = store_.get(*reference.digest);
    const auto type = nlohmann::json::parse(text, nullptr, false);
    oci::Descriptor out;
    out.digest = *reference.digest;
    out.size = text.size();
    out.media_type =
        type.is_object() && type.contains("manifests") ? oci::media::index : oci::media::manifest;
    return out;
  }
  const auto found = store_.find(reference.str());
  if (!found || !store_.has(*found)) return std::nullopt;
  // An image of the same name for another platform is not the one.
  if (oci::is_manifest(found->media_type)) {
    const auto config = store_.config(store_.manifest(*found));
    if (config.platform.os != platform.os || config.platform.architecture != platform.architecture)
      return std::nullopt;
  }
  return found;
}

oci::Descriptor BaseImages::resolved(const oci::Reference& reference) {
  const auto memory = memory_of(cache_dir_, reference);
  if (!options_.pull)
    if (const auto text = read_file_if_exists(memory))
      if (const auto known = json::parse(*text, nullptr, false); known.is_object())
        return oci::descriptor_from_json(known);
  auto registry = client();
  auto descriptor = registry.resolve(reference);
  make_dirs(memory.parent_path());
  write_file_atomic(memory, oci::to_json(descriptor).dump());
  return descriptor;
}

void BaseImages::forget(const fs::path& cache_dir, const oci::Reference& reference) {
  std::error_code ec;
  fs::remove(memory_of(cache_dir, reference), ec);  // not there: nothing was remembered
}

Digest BaseImages::digest(const std::string& text, const oci::Platform& platform) {
  const auto reference = oci::Reference::parse(text);
  if (const auto mirror = mirrored(reference)) return mirror->digest;
  if (reference.digest) return *reference.digest;
  const bool remembered = fs::exists(memory_of(cache_dir_, reference));
  if (!options_.pull && !remembered)
    if (const auto found = local(reference, platform)) return found->digest;
  return resolved(reference).digest;
}

Image BaseImages::get(const std::string& text, const oci::Platform& platform) {
  const auto reference = oci::Reference::parse(text);
  auto image = mirrored(reference);
  if (!image) {
    const bool remembered = fs::exists(memory_of(cache_dir_, reference));
    if (reference.digest || (!options_.pull && !remembered)) image = local(reference, platform);
  }
  if (!image && reference.registry == "slipway.local") {
    throw Error(ExitCode::unavailable,
                fmt::format("the image `{}` is not in the store any more", reference.str()))
        .hint("build it again");
  }
  if (!image) {
    auto pinned = reference;
    if (!pinned.digest) pinned.digest = resolved(reference).digest;
    if (auto found = local(pinned, platform)) {
      image = found;
    } else {
      auto registry = client();
      image = registry.pull(pinned, store_, platform, options_.on_bytes);
    }
  }
  Image out;
  out.manifest = store_.manifest(*image, platform);
  out.config = store_.config(out.manifest);
  return out;
}

}  // namespace slipway::dockerfile
