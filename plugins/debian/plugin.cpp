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
  return Digest::of("slipway debian 1 " + params.dump());
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
      return PluginInfo{"debian", "1", "images of Debian packages, by mmdebstrap", {build}};
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
    const oci::Scratch scratch(invocation.cache_dir, "debian");
    const auto root = scratch.path() / "root";
    Bootstrap wanted;
    wanted.suite = params.value("suite", "");
    if (wanted.suite.empty()) wanted.suite = own_suite();
    wanted.architecture = architecture_of(params);
    wanted.variant = params.value("variant", "essential");
    wanted.mirror = params.value("mirror", "");
    wanted.keep_docs = params.value("keep_docs", false);
    for (const auto& package : params.value("packages", json::array()))
      wanted.packages.push_back(package.get<std::string>());
    const auto started = now_micros() / 1'000'000 - 1;
    if (auto failed = bootstrap(wanted, root, scratch.path(), context)) return *failed;
    apply_changes(params, root, context);
    context.progress({"packing the image", 0, 0, ""});
    const auto image = pack(store, invocation.cache_dir, root, started, params, wanted);
    write_file_atomic(record, oci::to_json(image).dump());
    return tagged(store, image, params, name);
  }

 private:
  static oci::Descriptor pack(oci::Store& store, const fs::path& cache_dir, const fs::path& root,
                              std::int64_t started, const json& params, const Bootstrap& wanted) {
    oci::PackOptions options;
    options.since =
        started;  // what packages brought keeps its time, what was made just now has none of its own
    const auto layer = oci::pack_tree(store, root, options);
    oci::ImageConfig config;
    config.platform = platform_of(wanted.architecture);
    config.created = format_utc(oci::layer_time * 1'000'000);
    apply_config(params.value("config", json::object()), config);
    std::vector<oci::Descriptor> layers;
    if (layer) {
      layers.push_back(layer->descriptor);
      config.diff_ids.push_back(layer->diff_id);
      oci::Snapshots(cache_dir).adopt(layer->diff_id, root);
    }
    std::string packages;
    for (const auto& package : wanted.packages) packages += " " + package;
    config.history.push_back({config.created,
                              fmt::format("debian {} {}{}", wanted.suite, wanted.variant, packages),
                              "slipway", false});
    return store.put_image(config, layers);
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
