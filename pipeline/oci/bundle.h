// The runtime-spec config of a sandbox (config.json, v1.0.2), and the small files that it mounts.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "oci/sandbox.h"

namespace slipway::oci {

// Writes DIR/config.json, DIR/hosts and DIR/resolv.conf. `spec.root` is mounted. `limits`: cgroups are ours
// to use.
void write_bundle_files(const SandboxSpec& spec, const fs::path& dir, bool limits);

// Fills `dir` with empty places for everything that is mounted over the root, to be the lowest layer.
void make_mount_places(const SandboxSpec& spec, const fs::path& dir);

// resolv.conf for a sandbox: the host's own with its network; without loopback servers, which nobody answers
// in there, in another; empty with none.
std::string sandbox_resolv_conf(SandboxSpec::Network network, std::string_view host_file);

}  // namespace slipway::oci
