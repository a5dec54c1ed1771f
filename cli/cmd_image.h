// The commands below `slipway image`; each lives in its own cmd_image_NAME.cpp.
#pragma once
#include "cli/command.h"
#include "oci/registry_client.h"

namespace slipway::cli {

void add_image_build(CLI::App& image, Session& session);
void add_image_pull(CLI::App& image, Session& session);
void add_image_push(CLI::App& image, Session& session);
void add_image_inspect(CLI::App& image, Session& session);

// What the commands that talk to a registry share.
struct RegistryFlags {
  bool insecure = false;
  std::vector<std::string> mirrors;  // "docker.io=HOST[/PREFIX]"
  std::string auth_file;             // docker's config.json; empty: the user's own
};
void add_registry_flags(CLI::App& command, RegistryFlags& flags);
oci::RegistryOptions options_of(const RegistryFlags& flags, const Session& session);

// "linux/arm64"; this machine's when empty. Error(usage) when it is none.
oci::Platform platform_of(const std::string& text);

}  // namespace slipway::cli
