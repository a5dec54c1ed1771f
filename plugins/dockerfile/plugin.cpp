#include "plugins/dockerfile/plugin.h"

#include "base/suggest.h"
#include "plugins/dockerfile/build.h"
#include "sys/files.h"

namespace slipway {

namespace {

using namespace dockerfile;

json text(std::string_view about) {
  return {{"type", "string"}, {"description", about}};
}
json flag(std::string_view about) {
  return {{"type", "boolean"}, {"description", about}};
}
json texts(std::string_view about) {
  return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}, {"description", about}};
}
// What does not change the image, so that the cache key leaves it out.
json unkeyed(json property) {
  property["x-slipway-key"] = false;
  return property;
}

json params_schema() {
  return {
      {"type", "object"},
      {"required", {"context"}},
      {"additionalProperties", false},
      {"properties",
       {{"name", text("name of the image, for its `ref`")},
        {"context", unkeyed(text("folder that COPY takes files from"))},
        {"context_id", text("what the context holds, for the cache key: a git tree and what is dirty")},
        {"dockerfile", text("path below the context; default `Dockerfile`")},
        {"target", text("stage to build; default: the last")},
        {"args", texts("values for ARG")},
        {"labels", texts("labels added to the image")},
        {"platform", text("`linux/amd64` and the like; default: this machine's")},
        {"network", {{"enum", {"", "default", "host", "none"}}, {"description", "network of RUN"}}},
        {"mirrors",
         unkeyed({{"type", "object"}, {"description", "image reference or prefix to what answers for it"}})},
        {"insecure", unkeyed(flag("plain HTTP to registries"))},
        {"tags",
         {{"type", "array"}, {"items", {{"type", "string"}}}, {"description", "names in the local store"}}},
        {"pull", flag("ask the registry again what a tag points to")},
        {"no_cache", flag("run every instruction again")},
        {"build_secrets",
         {{"type", "array"},
          {"items", {{"type", "object"}}},
          {"description", "for RUN --mount=type=secret"}}}}}};
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

// The file as the user would name it: from where they stand when it lies there or below, as specs are named.
std::string shown(const fs::path& file) {
  std::error_code ec;
  const auto whole = fs::absolute(file, ec).lexically_normal();
  const auto relative = whole.lexically_relative(fs::current_path(ec));
  return (relative.empty() || *relative.begin() == ".." ? whole : relative).string();
}

BuildRequest request_of(const Invocation& invocation) {
  const auto& params = invocation.params;
  BuildRequest out;
  out.name = params.value("name", "");
  if (out.name.empty()) out.name = "image";
  out.context = invocation.project_dir / params.at("context").get<std::string>();
  const auto file = params.value("dockerfile", "");
  out.dockerfile = out.context / (file.empty() ? "Dockerfile" : file);
  out.shown_file = shown(out.dockerfile);
  out.target = params.value("target", "");
  const auto args = params.value("args", json::object());
  for (const auto& [name, value] : args.items()) out.args[name] = value.get<std::string>();
  const auto labels = params.value("labels", json::object());
  for (const auto& [name, value] : labels.items()) out.labels[name] = value.get<std::string>();
  out.platform = oci::Platform::host();
  if (const auto wanted = params.value("platform", ""); !wanted.empty()) {
    const auto platform = oci::Platform::parse(wanted);
    if (!platform)
      throw Error(ExitCode::usage, fmt::format("`{}` is no platform", wanted)).hint("one is `linux/amd64`");
    out.platform = *platform;
  }
  out.network = params.value("network", "");
  out.mirrors = params.value("mirrors", json::object());
  for (const auto& tag : params.value("tags", json::array())) out.tags.push_back(tag.get<std::string>());
  out.insecure = params.value("insecure", false);
  out.pull = params.value("pull", false);
  out.no_cache = params.value("no_cache", false);
  return out;
}

class DockerfilePlugin final : public Plugin {
 public:
  const PluginInfo& info() const override {
    static const PluginInfo info = [] {
      ActionInfo build;
      build.name = "build";
      build.summary = "builds an image from a Dockerfile";
      build.params = params_schema();
      build.outputs = outputs_schema();
      build.cacheable = true;
      build.slow_fingerprint = true;
      return PluginInfo{"dockerfile", "1", "images from Dockerfiles, without a daemon", {build}};
    }();
    return info;
  }

  Outcome run(const Invocation& invocation, Context& context) override {
    return build(request_of(invocation), invocation.cache_dir, context);
  }

  // The images that the needed stages begin with: what a tag means decides what is built.
  json fingerprint(const Invocation& invocation, Context& context) override {
    const auto request = request_of(invocation);
    std::error_code ec;
    if (!fs::is_directory(request.context, ec)) return nullptr;  // run() says what is wrong
    json bases = json::object();
    try {
      const auto parsed = parse_build(request);
      std::vector<std::string> names;
      for (const auto index : parsed->stages.order) {
        const auto& stage = parsed->stages.all[index];
        if (stage.base_stage < 0 && stage.base != "scratch") names.push_back(stage.base);
        for (const auto* made : stage.steps)
          if (auto image = made->flag_value("from"); !image.empty() && !stage.copies.contains(made))
            names.push_back(std::move(image));
      }
      if (!names.empty()) {
        auto store = oci::open_user_store(invocation.cache_dir);
        BaseImages images(store, invocation.cache_dir,
                          {request.mirrors, request.insecure, request.pull, context.stop(), {}});
        for (const auto& name : names) bases[name] = images.digest(name, request.platform).str();
      }
    } catch (const Error&) {
      return nullptr;  // run() meets the same error and says it with its place
    }
    return {{"bases", bases}};
  }
};

}  // namespace

std::unique_ptr<Plugin> make_dockerfile_plugin() {
  return std::make_unique<DockerfilePlugin>();
}

}  // namespace slipway
