#include "plugins/dockerfile/build.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/suggest.h"
#include "oci/pack.h"
#include "plugins/dockerfile/stage_builder.h"
#include "sys/files.h"

namespace slipway::dockerfile {

namespace {

std::int64_t layer_time_of(const BuildRequest& request, const Stages& stages) {
  std::string text;
  if (const auto it = stages.globals.find("SOURCE_DATE_EPOCH"); it != stages.globals.end()) text = it->second;
  if (const auto it = request.args.find("SOURCE_DATE_EPOCH"); it != request.args.end()) text = it->second;
  if (text.empty()) return oci::layer_time;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    throw Error(ExitCode::usage, fmt::format("SOURCE_DATE_EPOCH `{}` is no number of seconds", text));
  return value;
}

// Arguments that no ARG takes up are more often a typing error than not.
void warn_unused(const BuildRequest& request, const ParsedBuild& parsed, Context& context) {
  std::vector<std::string> declared;
  for (const auto& made : parsed.file.instructions)
    if (made.keyword == "ARG")
      for (const auto& word : made.words) declared.push_back(word.substr(0, word.find('=')));
  for (const auto& [name, value] : request.args) {
    if (is_proxy_argument(name) || name == "SOURCE_DATE_EPOCH") continue;
    if (std::find(declared.begin(), declared.end(), name) != declared.end()) continue;
    const auto near = suggest(name, declared);
    context.log(fmt::format("warning: no `ARG` takes the build argument `{}`{}\n", name,
                            near ? fmt::format("; did you mean `{}`?", *near) : ""),
                true);
  }
}

std::uint64_t size_of(const oci::Store& store, const oci::Descriptor& image) {
  const auto manifest = store.manifest(image);
  auto total = image.size + manifest.config.size;
  for (const auto& layer : manifest.layers) total += layer.size;
  return total;
}

}  // namespace

std::unique_ptr<ParsedBuild> parse_build(const BuildRequest& request) {
  std::error_code ec;
  if (!fs::is_directory(request.context, ec))
    throw Error(ExitCode::usage, fmt::format("the context `{}` is no folder", request.context.string()));
  const auto text = read_file_if_exists(request.dockerfile, 16u << 20);
  if (!text) {
    Error error(ExitCode::usage, fmt::format("there is no `{}`", request.shown_file));
    std::vector<std::string> names;
    for (fs::directory_iterator it(request.dockerfile.parent_path(), ec), end; !ec && it != end;
         it.increment(ec))
      names.push_back(it->path().filename().string());
    if (const auto near = suggest(request.dockerfile.filename().string(), names))
      error.hint(fmt::format("did you mean `{}`?", *near));
    throw error;
  }
  Diagnostics diagnostics;
  auto out = std::make_unique<ParsedBuild>();
  out->file = parse_dockerfile(*text, request.shown_file, diagnostics);
  if (!diagnostics.has_errors())
    out->stages = find_stages(out->file, request.args, request.platform, request.target, diagnostics);
  diagnostics.throw_if_errors();
  return out;
}

Outcome build(const BuildRequest& request, const fs::path& cache_dir, Context& context) {
  const auto parsed = parse_build(request);
  warn_unused(request, *parsed, context);
  auto store = oci::open_user_store(cache_dir);
  StageBuilder builder(request, *parsed, layer_time_of(request, parsed->stages), store, cache_dir, context);
  for (const auto index : parsed->stages.order)
    if (auto failed = builder.stage(index)) return *failed;
  context.event("cache", {{"instructions", builder.steps()}, {"cached", builder.cached()}});

  const auto image = builder.finish(parsed->stages.order.back());
  for (const auto& tag : request.tags) {
    const auto reference = oci::Reference::parse(tag);
    BaseImages::forget(cache_dir, reference);
    store.tag(reference.str(), image);
  }
  return Outcome::success({{"descriptor", oci::to_json(image)},
                           {"digest", image.digest.str()},
                           {"ref", fmt::format("slipway.local/{}@{}", request.name, image.digest.str())},
                           {"size", size_of(store, image)},
                           {"name", request.name}});
}

}  // namespace slipway::dockerfile
