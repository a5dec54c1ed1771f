#include "cli/image_place.h"

#include "base/error.h"
#include "base/suggest.h"
#include "oci/reference.h"
#include "sys/files.h"

namespace slipway::cli {

namespace {

constexpr std::size_t kNamesShown = 12;

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kNamesShown; ++i)
    out += fmt::format("{}`{}`", i ? ", " : "", names[i]);
  if (names.size() > kNamesShown) out += fmt::format(" and {} more", names.size() - kNamesShown);
  return out;
}

std::vector<std::string> names_of(const oci::Store& store) {
  std::vector<std::string> out;
  for (const auto& [name, image] : store.tags())
    if (!name.empty()) out.push_back(name);
  return out;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& names) {
  if (const auto near = suggest(name, names)) return fmt::format("did you mean `{}`?", *near);
  return names.empty() ? "it holds no named image" : "it has " + list_of(names);
}

}  // namespace

std::optional<LayoutPlace> parse_layout_place(const std::string& text) {
  for (const std::string_view kind :
       {"oci-archive:", "docker-archive:", "docker-daemon:", "docker://", "containers-storage:", "dir:"}) {
    if (!text.starts_with(kind)) continue;
    throw Error(ExitCode::usage, fmt::format("`{}` cannot be used here: `{}` is not supported", text, kind))
        .hint("write `oci:DIR[:TAG]`, or REGISTRY/NAME:TAG without a prefix");
  }
  if (!text.starts_with("oci:")) return std::nullopt;
  auto rest = text.substr(4);
  LayoutPlace out;
  if (const auto colon = rest.rfind(':');
      colon != std::string::npos && rest.find('/', colon) == std::string::npos) {
    out.tag = rest.substr(colon + 1);
    rest.resize(colon);
    if (out.tag.empty()) throw Error(ExitCode::usage, fmt::format("`{}` has an empty tag", text));
  }
  if (rest.empty())
    throw Error(ExitCode::usage, fmt::format("`{}` names no folder", text)).hint("write `oci:DIR[:TAG]`");
  out.dir = rest;
  return out;
}

LocalImage open_layout_image(const LayoutPlace& place) {
  const auto dir = place.dir.string();
  std::error_code ignored;
  if (!fs::exists(place.dir / "oci-layout", ignored))
    throw Error(ExitCode::usage, fmt::format("`{}` is no OCI image layout", dir))
        .hint("it has no file `oci-layout`");
  oci::Store store(place.dir);
  const auto there = store.tags();
  if (place.tag.empty()) {
    if (there.size() == 1) return {std::move(store), there[0].second, dir};
    if (there.empty()) throw Error(ExitCode::usage, fmt::format("`{}` holds no image", dir));
    throw Error(ExitCode::usage, fmt::format("`{}` holds {} images", dir, there.size()))
        .hint(fmt::format("choose one with `oci:{}:TAG`: {}", dir, list_of(names_of(store))));
  }
  const auto image = store.find(place.tag);
  if (!image)
    throw Error(ExitCode::usage, fmt::format("`{}` has no image `{}`", dir, place.tag))
        .hint(suggestion(place.tag, names_of(store)));
  return {std::move(store), *image, dir + ":" + place.tag};
}

std::optional<LocalImage> find_stored_image(const fs::path& cache_dir, const std::string& name) {
  auto store = oci::open_user_store(cache_dir);
  const auto full = oci::Reference::parse(name).str();
  // A name in the store may be written short or whole, as the one who made it wrote it.
  auto image = store.find(full);
  if (!image) image = store.find(name);
  if (!image) return std::nullopt;
  return LocalImage{std::move(store), *image, full};
}

LocalImage open_stored_image(const fs::path& cache_dir, const std::string& name) {
  if (auto found = find_stored_image(cache_dir, name)) return *std::move(found);
  const auto near = suggest(oci::Reference::parse(name).str(), names_of(oci::open_user_store(cache_dir)));
  throw Error(ExitCode::usage, fmt::format("there is no image `{}` on this machine", name))
      .hint(near ? fmt::format("did you mean `{}`?", *near)
                 : "build it with `slipway image build -t`, or name a layout: `oci:DIR[:TAG]`");
}

}  // namespace slipway::cli
