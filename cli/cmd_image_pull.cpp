// slipway image pull: an image from a registry into a layout, or into the user's store.
#include "base/clock.h"
#include "cli/cmd_image.h"
#include "cli/image_place.h"
#include "cli/transfer_progress.h"
#include "oci/reference.h"

namespace slipway::cli {

namespace {

struct Options {
  RegistryFlags registry;
  std::string reference, place, platform;
};

// A folder that this pull made and that got nothing is taken away again; one with blobs helps the next try.
class FreshFolder {
 public:
  explicit FreshFolder(fs::path dir) : dir_(std::move(dir)), fresh_(!fs::exists(dir_)) {}
  ~FreshFolder() {
    std::error_code ec;
    if (!fresh_ || !fs::is_empty(dir_ / "blobs/sha256", ec) || ec) return;
    fs::remove_all(dir_, ec);
  }
  FreshFolder(const FreshFolder&) = delete;
  FreshFolder& operator=(const FreshFolder&) = delete;

 private:
  fs::path dir_;
  bool fresh_;
};

void pull(const Session& session, const Options& options) {
  const auto reference = oci::Reference::parse(options.reference);
  const auto platform = platform_of(options.platform);
  std::optional<LayoutPlace> place;
  if (!options.place.empty()) {
    place = parse_layout_place(options.place);
    if (!place)
      throw Error(ExitCode::usage, fmt::format("`{}` is no place to pull to", options.place))
          .hint("write `oci:DIR[:TAG]`; without a place the image goes to the local store");
  }
  const auto name = !place                  ? reference.str()
                    : !place->tag.empty()   ? place->tag
                    : reference.tag.empty() ? std::string("latest")
                                            : reference.tag;
  oci::RegistryClient client(options_of(options.registry, session), session.stop);
  std::optional<FreshFolder> fresh;
  if (place) fresh.emplace(place->dir);
  auto store = place ? oci::Store(place->dir) : oci::open_user_store(session.dirs.cache);
  oci::Descriptor image;
  {
    TransferProgress progress(session, "pulling " + reference.familiar());
    image = client.pull(reference, store, platform,
                        [&](std::int64_t done, std::int64_t total) { progress.bytes(done, total); });
  }
  store.tag(name, image);
  if (session.output == "json") {
    const json out = {{"reference", reference.str()},
                      {"digest", image.digest.str()},
                      {"descriptor", oci::to_json(image)},
                      {"layout", store.path().string()},
                      {"tag", name}};
    fmt::print("{}\n", out.dump(2));
  } else {
    fmt::print("{}\n", image.digest.str());
  }
}

}  // namespace

void add_image_pull(CLI::App& image, Session& session) {
  auto* command = image.add_subcommand("pull", "get an image from a registry, every byte verified");
  auto options = std::make_shared<Options>();
  command->add_option("REFERENCE", options->reference, "what to pull: [REGISTRY/]NAME[:TAG][@DIGEST]")
      ->required();
  command->add_option("PLACE", options->place, "oci:DIR[:TAG] (default: the local store)");
  command->add_option("--platform", options->platform, "linux/amd64 and the like (default: this machine's)");
  add_registry_flags(*command, options->registry);
  command->callback([&session, options] { pull(session, *options); });
}

}  // namespace slipway::cli
