// slipway image: the builder and the registry client on their own.
#include "cli/cmd_image.h"

#include "sys/files.h"

namespace slipway::cli {

void add_image(CLI::App& app, Session& session) {
  auto* image = app.add_subcommand("image", "build, pull, push and inspect images without a spec");
  image->require_subcommand(1);
  add_image_build(*image, session);
  add_image_pull(*image, session);
  add_image_push(*image, session);
  add_image_inspect(*image, session);
}

void add_registry_flags(CLI::App& command, RegistryFlags& flags) {
  command.add_flag("--insecure", flags.insecure,
                   "plain HTTP to a registry that is not on this machine, or TLS that is not verified");
  command.add_option("--mirror", flags.mirrors, "where else images are: docker.io=HOST[/PREFIX]")
      ->allow_extra_args(false);
  command.add_option("--authfile", flags.auth_file, "logins, as in ~/.docker/config.json");
}

oci::RegistryOptions options_of(const RegistryFlags& flags, const Session& session) {
  oci::RegistryOptions out;
  out.origins = oci::origins_folder(session.dirs.cache);
  out.insecure = flags.insecure;
  for (const auto& mirror : flags.mirrors) {
    const auto equals = mirror.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == mirror.size())
      throw Error(ExitCode::usage, fmt::format("`--mirror {}` is no PREFIX=HOST", mirror))
          .hint("as in `--mirror docker.io=127.0.0.1:5000`");
    out.mirrors[mirror.substr(0, equals)] = mirror.substr(equals + 1);
  }
  if (!flags.auth_file.empty()) out.config_json = read_file(flags.auth_file, 1 << 20);
  return out;
}

oci::Platform platform_of(const std::string& text) {
  if (text.empty()) return oci::Platform::host();
  const auto parsed = oci::Platform::parse(text);
  if (!parsed)
    throw Error(ExitCode::usage, fmt::format("`{}` is no platform", text)).hint("as in `linux/amd64`");
  return *parsed;
}

}  // namespace slipway::cli
