// What a user adds to the packages: files, links, things removed, and the image's config.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>

#include "oci/descriptor.h"
#include "plugin/plugin.h"

namespace slipway::debian {

// `files` {path: {mode, content}}, `links` {path: target}, `remove` [paths], in that order after the
// removals. Paths stay in the root, whatever links it holds.
void apply_changes(const json& params, const std::filesystem::path& root, Context& context);

// `config` {env, cmd, entrypoint, working_dir, exposed_ports, volumes, stop_signal, user, labels}.
void apply_config(const json& config, oci::ImageConfig& image);

// JSON Schemas of these params.
json changes_schema();
json config_schema();

}  // namespace slipway::debian
