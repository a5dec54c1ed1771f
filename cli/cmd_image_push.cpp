// slipway image push: an image from a layout, or from the user's store, to a registry.
#include "base/clock.h"
#include "cli/cmd_image.h"
#include "cli/image_place.h"
#include "cli/transfer_progress.h"
#include "oci/reference.h"

namespace slipway::cli {

namespace {

struct Options {
  RegistryFlags registry;
  std::string source, reference;
};

void push(const Session& session, const Options& options) {
  const auto place = parse_layout_place(options.source);
  if (place && options.reference.empty())
    throw Error(ExitCode::usage, fmt::format("`{}` is to be pushed, but not where to", options.source))
        .hint(fmt::format("write `slipway image push {} REGISTRY/NAME:TAG`", options.source));
  const auto& target = options.reference.empty() ? options.source : options.reference;
  const auto reference = oci::Reference::parse(target);
  const auto local =
      place ? open_layout_image(*place) : open_stored_image(session.dirs.cache, options.source);
  if (reference.digest && *reference.digest != local.image.digest)
    throw Error(ExitCode::usage, fmt::format("`{}` is `{}`, not what `{}` asks for", local.name,
                                             local.image.digest.str(), target))
        .hint("push to a tag");
  oci::RegistryClient client(options_of(options.registry, session), session.stop);
  {
    TransferProgress progress(session, "pushing " + reference.familiar());
    client.push(local.store, local.image, reference,
                [&](std::int64_t done, std::int64_t total) { progress.bytes(done, total); });
  }
  const auto by_digest = reference.name() + "@" + local.image.digest.str();
  if (session.output == "json") {
    const json out = {{"reference", reference.str()},
                      {"ref", by_digest},
                      {"digest", local.image.digest.str()},
                      {"descriptor", oci::to_json(local.image)}};
    fmt::print("{}\n", out.dump(2));
  } else {
    fmt::print("{}\n", by_digest);
  }
}

}  // namespace

void add_image_push(CLI::App& image, Session& session) {
  auto* command = image.add_subcommand("push", "bring an image to a registry; what it has is not sent");
  auto options = std::make_shared<Options>();
  command->add_option("SOURCE", options->source, "oci:DIR[:TAG], or the name of an image in the local store")
      ->required();
  command->add_option("REFERENCE", options->reference,
                      "where to: REGISTRY/NAME:TAG (default: the same name)");
  add_registry_flags(*command, options->registry);
  command->callback([&session, options] { push(session, *options); });
}

}  // namespace slipway::cli
