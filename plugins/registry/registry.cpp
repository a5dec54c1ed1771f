#include "plugins/registry/registry.h"

#include "base/clock.h"
#include "oci/registry_client.h"
#include "sys/files.h"

namespace slipway {

namespace {

json typed(const char* type, const char* description) {
  return {{"type", type}, {"description", description}};
}
json unkeyed(json schema) {
  schema["x-slipway-key"] = false;
  return schema;
}

ActionInfo describe_push() {
  ActionInfo action;
  action.name = "push";
  action.summary = "Pushes an image and its tags; blobs that the registry has are not sent.";
  action.params = {{"type", "object"},
                   {"properties",
                    {{"image", typed("object", "descriptor of an image in the store")},
                     {"repository", typed("string", "registry and repository, without tag")},
                     {"tags", {{"type", "array"}, {"items", {{"type", "string"}}}}},
                     {"insecure", unkeyed(typed("boolean", "plain HTTP, or TLS that is not verified"))},
                     {"credentials", unkeyed(typed("string", "name of the secret with the login"))}}},
                   {"required", {"image", "repository"}},
                   {"additionalProperties", false}};
  action.outputs = {{"type", "object"},
                    {"properties",
                     {{"ref", typed("string", "the image by digest")},
                      {"digest", typed("string", "")},
                      {"tags", {{"type", "array"}}}}}};
  action.secrets = {"*"};
  action.cacheable = true;
  action.slow_fingerprint = true;
  return action;
}

ActionInfo describe_pull() {
  ActionInfo action;
  action.name = "pull";
  action.summary = "Pulls an image for this machine into the store.";
  action.params = {{"type", "object"},
                   {"properties",
                    {{"reference", typed("string", "what to pull")},
                     {"platform", typed("string", "default: this machine's")},
                     {"mirrors", unkeyed(typed("object", "registry prefix → another registry's"))},
                     {"pull", unkeyed(typed("boolean", "ask the registry although the tag is known"))},
                     {"insecure", unkeyed(typed("boolean", "plain HTTP, or TLS that is not verified"))},
                     {"credentials", unkeyed(typed("string", "name of the secret with the login"))}}},
                   {"required", {"reference"}},
                   {"additionalProperties", false}};
  action.outputs = {{"type", "object"},
                    {"properties",
                     {{"descriptor", typed("object", "the image's descriptor")},
                      {"digest", typed("string", "")},
                      {"ref", typed("string", "the image by digest, as builds name it")}}}};
  action.secrets = {"*"};
  action.cacheable = true;
  action.slow_fingerprint = true;
  return action;
}

oci::RegistryOptions options_of(const Invocation& invocation) {
  const auto& params = invocation.params;
  oci::RegistryOptions out;
  out.insecure = params.value("insecure", false);
  out.origins = oci::origins_folder(invocation.cache_dir);
  if (const auto mirrors = params.find("mirrors"); mirrors != params.end())
    for (const auto& [prefix, to] : mirrors->items())
      if (to.is_string()) out.mirrors[prefix] = to.get<std::string>();
  if (const auto name = params.value("credentials", std::string()); !name.empty())
    if (const auto secret = invocation.secrets.find(name); secret != invocation.secrets.end())
      out.config_json = secret->second.reveal();
  return out;
}

std::string tag_of(const Digest& digest) {
  return "sha256-" + digest.hex();
}

class Registry : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  // An image can be gone from its registry, a tag can have been moved by others: asked each time, cheaply.
  json fingerprint(const Invocation& invocation, Context& context) override {
    return invocation.action == "pull" ? fingerprint_of_pull(invocation, context)
                                       : fingerprint_of_push(invocation, context);
  }

  Outcome run(const Invocation& invocation, Context& context) override {
    return invocation.action == "pull" ? pull(invocation, context) : push(invocation, context);
  }

 private:
  static oci::OnBytes progress_of(Context& context, const std::string& text) {
    return [&context, text](std::int64_t done, std::int64_t total) {
      context.progress({text, done, total, "B"});
    };
  }

  // The digest a tag pointed to stays the answer until `pull` asks anew: the same spec builds the same.
  static json fingerprint_of_pull(const Invocation& invocation, Context& context) {
    const auto reference = oci::Reference::parse(invocation.params.at("reference").get<std::string>());
    if (reference.digest) return nullptr;
    auto store = oci::open_user_store(invocation.cache_dir);
    const auto known = store.find(reference.str());
    if (known && !invocation.params.value("pull", false)) return known->digest.str();
    return oci::RegistryClient(options_of(invocation), context.stop()).resolve(reference).digest.str();
  }

  static Outcome pull(const Invocation& invocation, Context& context) {
    const auto reference = oci::Reference::parse(invocation.params.at("reference").get<std::string>());
    auto platform = oci::Platform::host();
    if (const auto text = invocation.params.value("platform", std::string()); !text.empty()) {
      const auto parsed = oci::Platform::parse(text);
      if (!parsed)
        throw Error(ExitCode::usage, fmt::format("`{}` is no platform", text)).hint("as in `linux/amd64`");
      platform = *parsed;
    }
    auto store = oci::open_user_store(invocation.cache_dir);
    const auto known = store.find(reference.str());
    oci::Descriptor image;
    if (known && store.has(*known) && !invocation.params.value("pull", false)) {
      image = *known;
    } else {
      image = oci::RegistryClient(options_of(invocation), context.stop())
                  .pull(reference, store, platform, progress_of(context, "pulling " + reference.familiar()));
      store.tag(reference.str(), image);
    }
    return Outcome::success({{"descriptor", oci::to_json(image)},
                             {"digest", image.digest.str()},
                             {"ref", reference.name() + "@" + image.digest.str()}});
  }

  // Null as long as all that was pushed is there. What is gone, or points elsewhere, gives a key that no
  // earlier outcome has: it names the push that is lost, so that the next push, noted under a new name, is
  // believed again.
  static json fingerprint_of_push(const Invocation& invocation, Context& context) {
    const auto image = oci::descriptor_from_json(invocation.params.at("image"));
    const auto repository = invocation.params.at("repository").get<std::string>();
    const auto tags = tags_of(invocation.params, image);
    const auto note = read_file_if_exists(note_of(invocation, image), 4096);
    if (!note) return nullptr;  // never pushed from here: there is no outcome to doubt
    oci::RegistryClient client(options_of(invocation), context.stop());
    try {
      for (const auto& tag : tags)
        if (client.resolve(oci::Reference::parse(repository + ":" + tag)).digest != image.digest)
          return {{"moved", tag}, {"since", *note}};
    } catch (const Error& e) {
      if (e.code() == ExitCode::interrupted) throw;
      // Without the secret (a plan is made without any) the registry's no says nothing.
      const auto wanted = invocation.params.value("credentials", std::string());
      if (e.code() == ExitCode::auth && !wanted.empty() && !invocation.secrets.contains(wanted))
        return nullptr;
      return {{"missing", e.message()}, {"since", *note}};  // the push itself says what is wrong
    }
    return nullptr;
  }

  static std::vector<std::string> tags_of(const json& params, const oci::Descriptor& image) {
    std::vector<std::string> out = {tag_of(image.digest)};  // so that no registry collects it as untagged
    if (params.contains("tags"))
      for (const auto& tag : params["tags"]) out.push_back(tag.get<std::string>());
    return out;
  }

  // Where a push leaves a note that it was made.
  static fs::path note_of(const Invocation& invocation, const oci::Descriptor& image) {
    const auto& params = invocation.params;
    Hasher hasher;
    hasher.field(params.at("repository").get<std::string>()).field(image.digest.str());
    for (const auto& tag : tags_of(params, image)) hasher.field(tag);
    return invocation.cache_dir / "pushed" / hasher.finish().hex();
  }

  static Outcome push(const Invocation& invocation, Context& context) {
    const auto& params = invocation.params;
    const auto image = oci::descriptor_from_json(params.at("image"));
    const auto repository = params.at("repository").get<std::string>();
    const auto store = oci::open_user_store(invocation.cache_dir);
    const auto tags = tags_of(params, image);
    for (const auto& tag : tags) oci::Reference::parse(repository + ":" + tag);  // refused before any work
    oci::RegistryClient client(options_of(invocation), context.stop());
    std::string by_digest;
    for (const auto& tag : tags) {
      const auto reference = oci::Reference::parse(repository + ":" + tag);
      client.push(store, image, reference, progress_of(context, "pushing " + reference.familiar()));
      by_digest = reference.name() + "@" + image.digest.str();
    }
    make_dirs(invocation.cache_dir / "pushed");
    write_file_atomic(note_of(invocation, image), format_utc(now_micros()) + " " + invocation.run_id);
    return Outcome::success({{"ref", by_digest}, {"digest", image.digest.str()}, {"tags", tags}});
  }

  PluginInfo info_{"registry",
                   "1",
                   "Pulls images from registries and pushes them there.",
                   {describe_push(), describe_pull()}};
};

}  // namespace

std::unique_ptr<Plugin> make_registry_plugin() {
  return std::make_unique<Registry>();
}

}  // namespace slipway
