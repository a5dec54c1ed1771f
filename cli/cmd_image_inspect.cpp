// slipway image inspect: what an image is, without fetching its layers.
#include "base/clock.h"
#include "cli/cmd_image.h"
#include "cli/image_place.h"
#include "cli/text.h"
#include "oci/reference.h"

namespace slipway::cli {

namespace {

struct Options {
  RegistryFlags registry;
  std::string what, platform;
  bool remote = false;
};

struct Seen {
  std::string name;
  oci::ImageDescription image;
};

Seen look(const Session& session, const Options& options) {
  const auto platform = platform_of(options.platform);
  if (const auto place = parse_layout_place(options.what)) {
    const auto local = open_layout_image(*place);
    return {local.name, oci::describe_stored(local.store, local.image, platform)};
  }
  // What was built or pulled under this name is what the user means; registries have no part in it.
  if (!options.remote)
    if (const auto local = find_stored_image(session.dirs.cache, options.what))
      return {local->name, oci::describe_stored(local->store, local->image, platform)};
  const auto reference = oci::Reference::parse(options.what);
  oci::RegistryClient client(options_of(options.registry, session), session.stop);
  return {reference.str(), client.describe(reference, platform)};
}

std::uint64_t size_of(const oci::Manifest& manifest) {
  std::uint64_t out = 0;
  for (const auto& layer : manifest.layers) out += layer.size;
  return out;
}

std::vector<std::string> platforms_of(const oci::ImageDescription& image) {
  std::vector<std::string> out;
  if (image.index)
    for (const auto& item : image.index->manifests)
      if (item.platform && item.platform->os != "unknown") out.push_back(item.platform->str());
  return out;
}

void print_json(const Seen& seen) {
  const auto& image = seen.image;
  json layers = json::array();
  for (const auto& layer : image.manifest.layers) layers.push_back(oci::to_json(layer));
  json out = {{"name", seen.name},
              {"digest", image.descriptor.digest.str()},
              {"descriptor", oci::to_json(image.descriptor)},
              {"manifest", oci::to_json(image.manifest_descriptor)},
              {"platform", image.config.platform.str()},
              {"platforms", platforms_of(image)},
              {"created", image.config.created},
              {"size", size_of(image.manifest)},
              {"layers", std::move(layers)},
              {"annotations", image.manifest.annotations},
              {"config", json::parse(oci::serialize(image.config))}};
  fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
}

void line(const char* name, const std::string& value) {
  if (!value.empty()) fmt::print("{:<11} {}\n", name, harmless(value));
}

// As one would type it: words with blanks in quotes.
std::string words(const std::vector<std::string>& argv) {
  std::string out;
  for (const auto& word : argv) {
    if (!out.empty()) out += ' ';
    out += word.empty() || word.find_first_of(" \t\n'\"") != std::string::npos
               ? json(word).dump(-1, ' ', false, json::error_handler_t::replace)
               : word;
  }
  return out;
}

void print_text(const Seen& seen) {
  const auto& image = seen.image;
  const auto& config = image.config;
  line("name", seen.name);
  line("digest", image.descriptor.digest.str());
  if (image.index) line("manifest", image.manifest_descriptor.digest.str());
  line("type", image.manifest_descriptor.media_type);
  line("platform", config.platform.str());
  if (image.index) line("platforms", fmt::format("{}", fmt::join(platforms_of(image), ", ")));
  line("created", config.created);
  line("size", fmt::format("{} in {} {}", format_size(size_of(image.manifest)), image.manifest.layers.size(),
                           image.manifest.layers.size() == 1 ? "layer" : "layers"));
  line("user", config.user);
  line("workdir", config.working_dir);
  line("entrypoint", words(config.entrypoint));
  line("command", words(config.cmd));
  if (config.healthcheck) line("health", words(config.healthcheck->test));
  line("ports", fmt::format("{}", fmt::join(config.exposed_ports, ", ")));
  line("volumes", fmt::format("{}", fmt::join(config.volumes, ", ")));
  for (const auto& variable : config.env) line("env", variable);
  for (const auto& [name, value] : config.labels) line("label", name + "=" + value);
  for (const auto& layer : image.manifest.layers)
    line("layer", fmt::format("{} {}", layer.digest.str(), format_size(layer.size)));
}

void inspect(const Session& session, const Options& options) {
  const auto seen = look(session, options);
  if (session.output == "json")
    print_json(seen);
  else
    print_text(seen);
}

}  // namespace

void add_image_inspect(CLI::App& image, Session& session) {
  auto* command =
      image.add_subcommand("inspect", "what an image is: digest, platform, configuration, layers");
  auto options = std::make_shared<Options>();
  command
      ->add_option(
          "IMAGE", options->what,
          "[REGISTRY/]NAME[:TAG][@DIGEST] in the local store, else at its registry; or oci:DIR[:TAG]")
      ->required();
  command->add_flag("--remote", options->remote, "ask the registry also when the local store has the name");
  command->add_option("--platform", options->platform, "linux/amd64 and the like (default: this machine's)");
  add_registry_flags(*command, options->registry);
  command->callback([&session, options] { inspect(session, *options); });
}

}  // namespace slipway::cli
