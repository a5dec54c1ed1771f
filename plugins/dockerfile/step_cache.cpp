#include "plugins/dockerfile/step_cache.h"

#include "sys/files.h"

namespace slipway::dockerfile {

using nlohmann::json;

StepCache::StepCache(std::filesystem::path cache_dir, const oci::Store& store)
    : dir_(std::move(cache_dir) / "instructions"), store_(store) {}

std::filesystem::path StepCache::file_of(const Digest& key) const {
  return dir_ / key.hex().substr(0, 2) / key.hex().substr(2);
}

std::optional<StepResult> StepCache::find(const Digest& key) const {
  const auto text = read_file_if_exists(file_of(key), 1u << 20);
  if (!text) return std::nullopt;
  const auto record = json::parse(*text, nullptr, false);
  if (!record.is_object() || !record.contains("layer"))
    return std::nullopt;  // damaged: as if it were not there
  if (record["layer"].is_null()) return StepResult{};
  const auto diff_id = Digest::parse(record.value("diff_id", ""));
  if (!diff_id) return std::nullopt;
  oci::Layer layer{oci::descriptor_from_json(record["layer"]), *diff_id};
  if (!store_.has(layer.descriptor)) return std::nullopt;
  return StepResult{std::move(layer)};
}

void StepCache::put(const Digest& key, const StepResult& result) const {
  json record = {{"layer", nullptr}};
  if (result.layer)
    record = {{"layer", oci::to_json(result.layer->descriptor)}, {"diff_id", result.layer->diff_id.str()}};
  const auto file = file_of(key);
  make_dirs(file.parent_path());
  write_file_atomic(file, record.dump());
}

}  // namespace slipway::dockerfile
