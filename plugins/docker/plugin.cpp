#include "plugins/docker/plugin.h"

#include <fstream>

#include "plugins/docker/build.h"
#include "plugins/docker/context.h"
#include "plugins/docker/save.h"

namespace slipway {

namespace {

using namespace docker;

json text(std::string_view about) {
  return {{"type", "string"}, {"description", about}};
}
json flag(std::string_view about) {
  return {{"type", "boolean"}, {"description", about}};
}
json texts(std::string_view about) {
  return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}, {"description", about}};
}
json unkeyed(json property) {
  property["x-slipway-key"] = false;
  return property;
}

ActionInfo describe() {
  ActionInfo info;
  info.name = "build";
  info.summary = "builds an image from a Dockerfile through a Docker Engine, and takes it out of there";
  info.params = {
      {"type", "object"},
      {"required", {"context"}},
      {"additionalProperties", false},
      {"properties",
       {{"name", text("name of the image, for its `ref`")},
        {"context", unkeyed(text("folder that COPY takes files from"))},
        {"context_id", text("what the context holds: a git tree and what is dirty")},
        {"dockerfile", text("path below the context; default `Dockerfile`")},
        {"target", text("stage to build; default: the last")},
        {"args", texts("values for ARG")},
        {"labels", texts("labels added to the image")},
        {"platform", text("`linux/amd64` and the like; default: the engine's")},
        {"network", {{"enum", {"", "default", "host", "none"}}, {"description", "network of RUN"}}},
        {"pull", flag("ask registries again what a tag points to")},
        {"no_cache", flag("run every instruction again")},
        {"host",
         unkeyed(text("the engine: unix:///…, tcp://… or ssh://user@host (default: as docker finds it)"))}}}};
  info.outputs = {{"type", "object"},
                  {"required", {"descriptor", "digest", "ref", "size"}},
                  {"properties",
                   {{"descriptor", {{"type", "object"}}},
                    {"digest", {{"type", "string"}}},
                    {"ref", {{"type", "string"}}},
                    {"size", {{"type", "integer"}}},
                    {"name", {{"type", "string"}}}}}};
  return info;  // not cacheable: what a FROM means, the engine knows; it has a cache of its own
}

BuildRequest request_of(const json& params) {
  BuildRequest out;
  out.name = params.value("name", "image");
  out.dockerfile = params.value("dockerfile", "Dockerfile");
  out.target = params.value("target", "");
  out.platform = params.value("platform", "");
  out.network = params.value("network", "");
  out.args = params.value("args", std::map<std::string, std::string>{});
  out.labels = params.value("labels", std::map<std::string, std::string>{});
  out.pull = params.value("pull", false);
  out.no_cache = params.value("no_cache", false);
  for (const auto& [name, value] : out.args)
    if (value.starts_with("slipway.local/"))
      throw Error(
          ExitCode::usage,
          fmt::format("the argument `{}` is an image of this file, which the engine does not have", name))
          .hint("build both with `uses: dockerfile` (the default), or push that one and name its reference");
  return out;
}

class Docker final : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  Outcome run(const Invocation& invocation, Context& context) override {
    const auto& params = invocation.params;
    const auto request = request_of(params);
    const auto folder = invocation.project_dir / params.at("context").get<std::string>();
    const TempDir scratch(invocation.work_dir.empty() ? fs::temp_directory_path() : invocation.work_dir);
    const auto tar = pack_context(folder, request.dockerfile, scratch.path());
    oci::EngineApi api(oci::find_engine({params.value("host", ""), "", {}}), context.stop(),
                       [&](const std::string& said) { context.log(said + "\n", true); });
    const auto built = build(api, request, tar, context, folder / request.dockerfile);
    if (!built.failure.empty()) {
      auto out = Outcome::failed(built.failure);
      out.detail = built.last_lines;
      return out;
    }
    const auto image = taken_out(api, built.image, invocation, scratch.path(), context);
    const auto store = oci::open_user_store(invocation.cache_dir);
    std::uint64_t size = 0;
    for (const auto& layer : store.manifest(image).layers) size += layer.size;
    return Outcome::success({{"descriptor", oci::to_json(image)},
                             {"digest", image.digest.str()},
                             {"ref", fmt::format("slipway.local/{}@{}", request.name, image.digest.str())},
                             {"size", size},
                             {"name", request.name}});
  }

 private:
  // An image that was taken out before is not taken out again: a note says what it became.
  static oci::Descriptor taken_out(oci::EngineApi& api, const std::string& id, const Invocation& invocation,
                                   const fs::path& scratch, Context& context) {
    auto store = oci::open_user_store(invocation.cache_dir);
    const auto digest = Digest::parse(id);
    if (!digest) throw Error(ExitCode::unavailable, fmt::format("the engine names its image `{}`", id));
    const auto note = invocation.cache_dir / "engine-images" / digest->hex();
    if (const auto known = read_file_if_exists(note, 1 << 16)) {
      const auto image = oci::descriptor_from_json(json::parse(*known));
      if (is_whole(store, image)) return image;
    }
    const auto file = scratch / "image.tar";
    std::ofstream out(file, std::ios::binary);
    std::int64_t got = 0;
    oci::EngineRequest get;
    get.path = "/images/" + id + "/get";
    get.timeout = Millis(0);
    get.on_stream = [&](std::string_view bytes) {
      out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      got += static_cast<std::int64_t>(bytes.size());
      context.progress({"taking the image out of the engine", got, 0, "B"});
    };
    api.call(std::move(get));
    out.close();
    if (!out) throw_errno(fmt::format("write `{}`", file.string()), errno);
    const auto image = store_archive(file, scratch / "members", store);
    make_dirs(note.parent_path());
    write_file_atomic(note, oci::to_json(image).dump());
    return image;
  }

  static bool is_whole(const oci::Store& store, const oci::Descriptor& image) {
    if (!store.has(image)) return false;
    const auto manifest = store.manifest(image);
    if (!store.has(manifest.config)) return false;
    for (const auto& layer : manifest.layers)
      if (!store.has(layer)) return false;
    return true;
  }

  PluginInfo info_{"docker", "1", "images through a Docker Engine", {describe()}};
};

}  // namespace

std::unique_ptr<Plugin> make_docker_plugin() {
  return std::make_unique<Docker>();
}

}  // namespace slipway
