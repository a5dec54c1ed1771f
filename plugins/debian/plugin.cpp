#include "plugins/debian/plugin.h"

#include <algorithm>

#include "base/clock.h"
#include "oci/pack.h"
#include "oci/reference.h"
#include "oci/scratch.h"
#include "oci/snapshot.h"
#include "oci/store.h"
#include "plugins/debian/bootstrap.h"
#include "plugins/debian/changes.h"
#include "plugins/debian/sources.h"
#include "sys/files.h"

namespace slipway {

namespace {

using namespace debian;
namespace fs = std::filesystem;

json text(std::string_view about) {
  return {{"type", "string"}, {"description", about}};
}

json params_schema() {
  json properties = {
      {"name", text("name of the image, for its `ref`")},
      {"suite", text("release of Debian; default: this machine's")},
      {"packages",
       {{"type", "array"}, {"items", {{"type", "string"}, {"pattern", "^[a-z0-9][a-z0-9+.:~=-]*$"}}}}},
      {"architecture", text("as dpkg names it; default: this machine's")},
      {"variant",
       {{"enum", {"essential", "apt", "minbase", "required", "standard", "custom"}},
        {"description", "which packages are there beside those listed; default `essential`"}}},
      {"mirror", text("`http://HOST/debian`; default: this machine's apt sources")},
      {"keep_docs", {{"type", "boolean"}, {"description", "manuals, documentation and translations too"}}},
      {"tags", {{"type", "array"}, {"items", {{"type", "string"}}}}},
      {"config", config_schema()}};
  properties["mirror"]["x-slipway-key"] = false;
  const json changes = changes_schema();
  for (const auto& [name, schema] : changes.items()) properties[name] = schema;
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
}

json outputs_schema() {
  return {{"type", "object"},
          {"required", {"descriptor", "digest", "ref", "size"}},
          {"properties",
           {{"descriptor", {{"type", "object"}}},
            {"digest", {{"type", "string"}}},
            {"ref", {{"type", "string"}}},
            {"size", {{"type", "integer"}}},
            {"name", {{"type", "string"}}}}}};
}

std::string architecture_of(const json& params) {
  const auto wanted = params.value("architecture", "");
  if (!wanted.empty()) return wanted;
  const auto own = oci::Platform::host();
  if (own.architecture == "386") return "i386";
  if (own.architecture == "arm") return own.variant == "v6" ? "armel" : "armhf";
  if (own.architecture == "ppc64le") return "ppc64el";
  return own.architecture;
}

oci::Platform platform_of(const std::string& architecture) {
  if (architecture == "i386") return {"linux", "386", ""};
  if (architecture == "armhf") return {"linux", "arm", "v7"};
  if (architecture == "armel") return {"linux", "arm", "v6"};
  if (architecture == "ppc64el") return {"linux", "ppc64le", ""};
  return {"linux", architecture, ""};
}

// Everything that decides what is in the image; where the packages come from does not.
Digest key_of(json params) {
  for (const char* name : {"name", "mirror", "tags"}) params.erase(name);
  if (params.value("suite", "").empty()) params["suite"] = own_suite();
  params["architecture"] = architecture_of(params);
  if (params.contains("packages")) std::sort(params["packages"].begin(), params["packages"].end());
  return Digest::of("slipway debian 2 " + params.dump());
}

Outcome answer(const oci::Store& store, const oci::Descriptor& image, const std::string& name) {
  const auto manifest = store.manifest(image);
  auto size = image.size + manifest.config.size;
  for (const auto& layer : manifest.layers) size += layer.size;
  return Outcome::success({{"descriptor", oci::to_json(image)},
                           {"digest", image.digest.str()},
                           {"ref", fmt::format("slipway.local/{}@{}", name, image.digest.str())},
                           {"size", size},
                           {"name", name}});
}

bool whole(const oci::Store& store, const oci::Descriptor& image) {
  if (!store.has(image)) return false;
  const auto manifest = store.manifest(image);
  return store.has(manifest.config) && std::all_of(manifest.layers.begin(), manifest.layers.end(),
                                                   [&](const auto& layer) { return store.has(layer); });
}

class DebianPlugin final : public Plugin {
 public:
  const PluginInfo& info() const override {
    static const PluginInfo info = [] {
      ActionInfo build;
      build.name = "build";
      build.summary = "makes an image of Debian packages";
      build.params = params_schema();
      build.outputs = outputs_schema();
      build.cacheable = true;
      return PluginInfo{"debian", "2", "images of Debian packages, by mmdebstrap", {build}};
    }();
    return info;
  }

  // The machine's own suite and architecture are what the params leave open.
  json fingerprint(const Invocation& invocation, Context&) override {
    json out = json::object();
    if (invocation.params.value("suite", "").empty()) out["suite"] = own_suite();
    out["architecture"] = architecture_of(invocation.params);
    return out;
  }

  Outcome run(const Invocation& invocation, Context& context) override {
    const auto& params = invocation.params;
    auto name = params.value("name", "");
    if (name.empty()) name = "debian";
    auto store = oci::open_user_store(invocation.cache_dir);
    const auto record = invocation.cache_dir / "debian" / key_of(params).hex();
    make_dirs(record.parent_path());
    // Two steps that want the same image wait for one of them.
    const auto lock = FileLock::wait(fs::path(record.string() + ".lock"));
    if (const auto text = read_file_if_exists(record))
      if (const auto known = json::parse(*text, nullptr, false); known.is_object())
        if (const auto image = oci::descriptor_from_json(known); whole(store, image)) {
          context.event("cache", {{"image", image.digest.str()}});
          return tagged(store, image, params, name);
        }
    Bootstrap wanted;
    wanted.suite = params.value("suite", "");
    if (wanted.suite.empty()) wanted.suite = own_suite();
    wanted.architecture = architecture_of(params);
    wanted.variant = params.value("variant", "essential");
    wanted.mirror = params.value("mirror", "");
    wanted.keep_docs = params.value("keep_docs", false);
    for (const auto& package : params.value("packages", json::array()))
      wanted.packages.push_back(package.get<std::string>());
    Job job{store, oci::Snapshots(invocation.cache_dir), invocation.cache_dir, wanted, context};
    std::vector<oci::Layer> layers(1);
    if (auto failed = base(job, layers[0])) return *failed;
    if (auto failed = upper(job, params, layers)) return *failed;
    const auto image = put(job, params, layers);
    write_file_atomic(record, oci::to_json(image).dump());
    return tagged(store, image, params, name);
  }

 private:
  struct Job {
    oci::Store& store;
    oci::Snapshots snapshots;
    fs::path cache_dir;
    Bootstrap wanted;
    Context& context;
  };

  // The layer that all images of a suite and variant begin with, made by the first that needs it.
  static std::optional<Outcome> base(Job& job, oci::Layer& out) {
    const auto& wanted = job.wanted;
    const auto key = Digest::of(fmt::format("slipway debian base 1 {} {} {} {}", wanted.suite,
                                            wanted.architecture, wanted.variant, wanted.keep_docs));
    const auto record = job.cache_dir / "debian" / ("base-" + key.hex());
    const auto lock = FileLock::wait(fs::path(record.string() + ".lock"));
    if (const auto text = read_file_if_exists(record)) {
      const auto known = json::parse(*text, nullptr, false);
      const auto diff_id = known.is_object() ? Digest::parse(known.value("diff_id", "")) : std::nullopt;
      if (diff_id) {
        out = {oci::descriptor_from_json(known.at("layer")), *diff_id};
        if (job.store.has(out.descriptor)) return std::nullopt;
      }
    }
    const oci::Scratch scratch(job.cache_dir, "debian");
    const auto root = scratch.path() / "root";
    oci::PackOptions options;
    options.since =
        now_micros() / 1'000'000 - 1;  // what packages brought keeps its time, what is made now has none
    if (auto failed = bootstrap(wanted, root, scratch.path(), job.context)) return failed;
    job.context.progress({"packing the base", 0, 0, ""});
    out = oci::pack_tree(job.store, root, options).value();
    job.snapshots.adopt(out.diff_id, root);
    write_file_atomic(record,
                      json{{"layer", oci::to_json(out.descriptor)}, {"diff_id", out.diff_id.str()}}.dump());
    return std::nullopt;
  }

  // The packages and the user's changes, as a second layer.
  static std::optional<Outcome> upper(Job& job, const json& params, std::vector<oci::Layer>& layers) {
    const auto below = job.snapshots.unpacked(job.store, layers[0].descriptor, layers[0].diff_id);
    const oci::Scratch scratch(job.cache_dir, "debian");
    oci::PackOptions options;
    options.since = now_micros() / 1'000'000 - 1;
    if (!job.wanted.packages.empty())
      if (auto failed = add_packages(job.wanted, below, scratch.path(), job.context)) return failed;
    {
      auto mounted = job.snapshots.mount({below}, scratch.path());
      apply_changes(params, mounted.path(), job.context);
      mounted.unmount();
    }
    job.context.progress({"packing the image", 0, 0, ""});
    if (const auto layer = oci::pack_tree(job.store, scratch.path() / "upper", options)) {
      layers.push_back(*layer);
      job.snapshots.adopt(layer->diff_id, scratch.path() / "upper");
    }
    return std::nullopt;
  }

  static oci::Descriptor put(Job& job, const json& params, const std::vector<oci::Layer>& layers) {
    oci::ImageConfig config;
    config.platform = platform_of(job.wanted.architecture);
    config.created = format_utc(oci::layer_time * 1'000'000);
    apply_config(params.value("config", json::object()), config);
    std::vector<oci::Descriptor> descriptors;
    for (const auto& layer : layers) {
      descriptors.push_back(layer.descriptor);
      config.diff_ids.push_back(layer.diff_id);
    }
    std::string packages;
    for (const auto& package : job.wanted.packages) packages += " " + package;
    config.history.push_back({config.created,
                              fmt::format("debian {} {}", job.wanted.suite, job.wanted.variant), "slipway",
                              false});
    if (layers.size() > 1)
      config.history.push_back({config.created, "debian packages" + packages, "slipway", false});
    return job.store.put_image(config, descriptors);
  }

  static Outcome tagged(oci::Store& store, const oci::Descriptor& image, const json& params,
                        const std::string& name) {
    for (const auto& tag : params.value("tags", json::array()))
      store.tag(oci::Reference::parse(tag.get<std::string>()).str(), image);
    return answer(store, image, name);
  }
};

}  // namespace

std::unique_ptr<Plugin> make_debian_plugin() {
  return std::make_unique<DebianPlugin>();
}

}  // namespace slipway
