// Tables of what is read, built and pushed: sources, registry, secrets, images.
#include "spec/rows.h"
#include "spec/tables.h"

namespace slipway {

const Table<Source>& source_table() {
  static const Table<Source> table = {
      "source",
      "Where code comes from: a folder here, or a git repository.",
      {
          row::text("path", &Source::path, "a folder, relative to this file"),
          row::text("git", &Source::git, "the URL of a git repository (https, ssh, git, file)"),
          row::text("ref", &Source::ref,
                    "branch, tag or commit (default: the remote's HEAD; of a folder: what lies there)"),
          row::flag("submodules", &Source::submodules, "also check out submodules"),
          row::secret("token", &Source::token, "a secret to log in with over HTTPS"),
      }};
  return table;
}

namespace {

void read_mirrors(Registry& registry, const Node& node, Diagnostics& diagnostics) {
  if (!node.is_mapping()) {
    diagnostics.error(node.where,
                      fmt::format("this must be a mapping of references, not {}", node.describe()));
    return;
  }
  for (const auto& member : node.members) {
    Mirror mirror;
    mirror.from = member.key;
    mirror.where = member.where;
    if (member.value->is_scalar()) {
      if (auto to = read::text(*member.value, diagnostics)) mirror.to = {*to, member.value->where};
    } else if (member.value->is_mapping() && member.value->members.size() == 1 &&
               member.value->members[0].key == "image") {
      const auto& image = *member.value->members[0].value;
      if (auto name = read::text(image, diagnostics)) mirror.image = {*name, image.where};
    } else {
      diagnostics.error(member.value->where, "a mirror is `{image: NAME}` or another registry's prefix");
      continue;
    }
    registry.mirrors.push_back(std::move(mirror));
  }
}

void read_argv(SecretSpec& secret, const Node& node, Diagnostics& diagnostics) {
  secret.command = read::texts(node, diagnostics);
  if (node.is_sequence() && node.items.empty())
    diagnostics.error(node.where, "the command is empty", "write it as a list: `[pass, show, NAME]`");
}

}  // namespace

const Table<Registry>& registry_table() {
  static const Table<Registry> table = {
      "registry",
      "Where images are pushed to, and what answers for other registries.",
      {
          row::text("url", &Registry::url, "host and path that images are pushed below, without https://"),
          row::secret("credentials", &Registry::credentials,
                      "a secret: a docker config.json, or `user:password`; default: ~/.docker/config.json"),
          row::flag("insecure", &Registry::insecure, "plain HTTP for a registry that is not on this machine"),
          row::custom<Registry>(
              "mirrors", "references or prefixes answered by an image of this file or by another registry",
              schema_of::map_of({{"anyOf",
                                  {{{"type", "string"}},
                                   {{"type", "object"},
                                    {"properties", {{"image", {{"type", "string"}}}}},
                                    {"required", {"image"}},
                                    {"additionalProperties", false}}}}}),
              read_mirrors),
          row::planned<Registry>("cache", "a layer cache shared through the registry"),
      }};
  return table;
}

const Table<SecretSpec>& secret_table() {
  static const Table<SecretSpec> table = {
      "secret",
      "Where a secret's value comes from: exactly one of the three. Read when a step that names it starts, "
      "masked in "
      "all output, never stored.",
      {
          row::text("env", &SecretSpec::env, "an environment variable"),
          row::text("file", &SecretSpec::file,
                    "a file; `~` is the home folder; the last newline is left out"),
          row::custom<SecretSpec>("command",
                                  "a program and its arguments; its output without the last newline",
                                  schema_of::texts(), read_argv),
          row::planned<SecretSpec>("plugin", "secrets from plugins"),
          row::planned<SecretSpec>("with", "secrets from plugins"),
      }};
  return table;
}

namespace {

void read_image_needs(Image& image, const Node& node, Diagnostics& diagnostics) {
  if (!node.is_mapping()) {
    diagnostics.error(node.where,
                      fmt::format("this must be a mapping `ARG: image`, not {}", node.describe()));
    return;
  }
  for (const auto& member : node.members)
    if (auto name = read::text(*member.value, diagnostics))
      image.needs[member.key] = {*name, member.value->where};
}

}  // namespace

const Table<Image>& image_table() {
  static const Table<Image> table = {
      "image",
      "An image: from a Dockerfile, or made by another plugin.",
      {
          row::text("uses", &Image::uses, "the plugin that builds it (default: dockerfile)"),
          row::custom<Image>("with", "parameters of that plugin", schema_of::mapping(),
                             [](Image& image, const Node& node, Diagnostics& d) {
                               image.with = read::any_mapping(node, d);
                               image.with_where = node.where;
                             }),
          row::text("source", &Image::source, "the source it is built from; needed when there are several"),
          row::text("context", &Image::context,
                    "folder of the build context, in the source (default: its root)"),
          row::text("dockerfile", &Image::dockerfile,
                    "path of the Dockerfile in the context (default: Dockerfile)"),
          row::text("target", &Image::target, "the stage to build (default: the last)"),
          row::values("args", &Image::args, "build arguments (ARG)"),
          row::string_map("labels", &Image::labels, "labels added to the image"),
          row::custom<Image>("needs",
                             "build argument → image: its reference by digest is passed in that argument",
                             schema_of::string_map(), read_image_needs),
          row::word("network", &Image::network, {"default", "none", "host"}, "network of RUN instructions"),
          row::texts("tags", &Image::tags, "tags to push besides the content's own", false, true),
          row::flag("push", &Image::push, "push it (default: when a service runs it)"),
          row::flag("pull", &Image::pull, "ask the registry whether base tags have moved"),
          row::duration("timeout", &Image::timeout, "how long the build may take"),
          row::custom<Image>("extends", "another image: its keys are taken, those written here replace them",
                             schema_of::text(), [](Image&, const Node&, Diagnostics&) {}),
          row::planned<Image>("secrets", "secrets of RUN --mount=type=secret"),
          row::planned<Image>("platforms", "images for several platforms"),
          row::planned<Image>("sbom", "software bills of materials"),
          row::planned<Image>("sign", "signatures"),
      }};
  return table;
}

}  // namespace slipway
