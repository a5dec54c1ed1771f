#include "spec/load.h"

#include <unistd.h>

#include "base/error.h"
#include "base/suggest.h"
#include "spec/expression.h"
#include "spec/readers.h"
#include "spec/references.h"
#include "spec/tables.h"
#include "sys/files.h"
#include "sys/yaml_reader.h"

namespace slipway {

namespace {

NodePtr with_member(const NodePtr& mapping, const std::string& key, NodePtr value) {
  auto out = std::make_shared<Node>(*mapping);
  for (auto& member : out->members)
    if (member.key == key) member.value = value;
  recount(*out);
  return out;
}

std::vector<std::string> environment_names(const Node& root) {
  std::vector<std::string> names;
  if (const auto* section = root.find("environments"); section && section->value->is_mapping())
    for (const auto& member : section->value->members)
      if (!member.key.starts_with("x-")) names.push_back(member.key);
  return names;
}

std::string choose_environment(const std::vector<std::string>& names, const std::string& wanted,
                               Diagnostics& diagnostics) {
  if (wanted.empty()) {
    if (std::find(names.begin(), names.end(), "local") != names.end()) return "local";
    return names.size() == 1 ? names[0] : std::string();
  }
  if (std::find(names.begin(), names.end(), wanted) == names.end())
    diagnostics.error({}, fmt::format("there is no environment `{}`", wanted),
                      suggestion_hint(wanted, names));
  return wanted;
}

// The node at a path of keys; null when there is none.
NodePtr at_path(const Node& root, std::initializer_list<std::string_view> keys) {
  const Node* node = &root;
  NodePtr found;
  for (auto key : keys) {
    const auto* member = node->find(key);
    if (!member) return nullptr;
    found = member->value;
    node = found.get();
  }
  return found;
}

// `vars` of the file, then of the environment, then of the command line.
std::map<std::string, std::string> gather_vars(const Node& root, const std::string& environment,
                                               const LoadOptions& options) {
  std::map<std::string, std::string> out;
  for (const auto& section : {at_path(root, {"vars"}), at_path(root, {"environments", environment, "vars"})})
    if (section && section->is_mapping())
      for (const auto& member : section->members)
        if (member.value->is_scalar()) out[member.key] = member.value->text;
  for (const auto& [name, value] : options.vars) out[name] = value;
  return out;
}

// environments.ENV.overrides.services over services.
NodePtr with_overrides(const NodePtr& root, const std::string& environment, Diagnostics& diagnostics) {
  const auto overrides = at_path(*root, {"environments", environment, "overrides"});
  if (!overrides) return root;
  const auto services = at_path(*root, {"services"});
  if (!overrides->is_mapping()) {
    diagnostics.error(overrides->where,
                      fmt::format("overrides are a mapping, not {}", overrides->describe()));
    return root;
  }
  NodePtr out = root;
  for (const auto& member : overrides->members) {
    if (member.key != "services") {
      diagnostics.error(member.where, fmt::format("unknown key `{}` in overrides", member.key),
                        "only `services`");
      continue;
    }
    for (const auto& one : member.value->members)
      if (!services || !services->find(one.key))
        diagnostics.error(one.where, fmt::format("there is no service `{}`", one.key));
    if (services) out = with_member(root, "services", merged(services, member.value));
  }
  return out;
}

// images.NAME.extends: the keys of the other image below the image's own.
NodePtr with_extends(const NodePtr& root, Diagnostics& diagnostics) {
  const auto images = at_path(*root, {"images"});
  if (!images || !images->is_mapping()) return root;
  std::map<std::string, NodePtr> done;
  std::function<NodePtr(const Member&, int)> extended = [&](const Member& image, int depth) -> NodePtr {
    if (const auto it = done.find(image.key); it != done.end()) return it->second;
    const auto* extends = image.value->is_mapping() ? image.value->find("extends") : nullptr;
    if (!extends || !extends->value->is_scalar()) return done[image.key] = image.value;
    const auto* base = images->find(extends->value->text);
    if (!base || depth > 20) {
      diagnostics.error(extends->value->where,
                        base ? "images extend each other in a circle"
                             : fmt::format("there is no image `{}`", extends->value->text));
      return done[image.key] = image.value;
    }
    return done[image.key] = merged(extended(*base, depth + 1), image.value);
  };
  bool any = false;
  auto out = std::make_shared<Node>(*images);
  for (auto& member : out->members) {
    auto value = extended(member, 0);
    any |= value != member.value;
    member.value = std::move(value);
  }
  if (!any) return root;
  recount(*out);
  return with_member(root, "images", out);
}

// The environments that `name` requires, directly or not.
std::set<std::string> required_by(const Node& root, const std::string& name) {
  std::set<std::string> out;
  std::vector<std::string> open = {name};
  while (!open.empty()) {
    const auto requirements = at_path(root, {"environments", open.back(), "requires"});
    open.pop_back();
    if (!requirements) continue;
    const auto add = [&](const Node& one) {
      const auto* other = one.is_mapping() ? one.find("environment") : nullptr;
      if (other && other->value->is_scalar() && out.insert(other->value->text).second)
        open.push_back(other->value->text);
    };
    if (requirements->is_sequence())
      for (const auto& item : requirements->items) add(*item);
    else
      add(*requirements);
  }
  return out;
}

// Only the chosen environment and those it requires are interpolated, each with its own variables; the others
// keep theirs for their own day.
NodePtr put_in_known(const NodePtr& root, const Known& known, const LoadOptions& options,
                     Diagnostics& diagnostics) {
  auto out = std::make_shared<Node>(*root);
  for (auto& member : out->members) {
    if (member.key == "vars" || member.key.starts_with("x-")) continue;
    if (member.key != "environments" || !member.value->is_mapping()) {
      member.value = interpolate(member.value, known, diagnostics);
      continue;
    }
    auto environments = std::make_shared<Node>(*member.value);
    const auto required = required_by(*root, known.environment);
    std::erase_if(environments->members, [&](const Member& one) {
      return one.value->has_expression && one.key != known.environment && !required.contains(one.key);
    });
    for (auto& one : environments->members) {
      auto own = known;
      if (one.key != known.environment) own = {gather_vars(*root, one.key, options), one.key, known.project};
      one.value = interpolate(one.value, own, diagnostics);
    }
    recount(*environments);
    member.value = environments;
  }
  recount(*out);
  return out;
}

}  // namespace

std::optional<std::filesystem::path> spec_above(const std::filesystem::path& cwd) {
  for (auto folder = cwd;; folder = folder.parent_path()) {
    for (auto name : {"slipway.yaml", "slipway.yml"}) {
      std::error_code ec;
      if (fs::exists(folder / name, ec)) return folder / name;
    }
    if (folder == folder.root_path() || folder.empty()) return std::nullopt;
  }
}

std::filesystem::path find_spec(const std::string& given, const std::filesystem::path& cwd) {
  if (!given.empty()) {
    const fs::path path = fs::path(given).is_absolute() ? fs::path(given) : cwd / given;
    std::error_code ec;
    if (fs::is_directory(path, ec)) {
      for (auto name : {"slipway.yaml", "slipway.yml"})
        if (fs::exists(path / name, ec)) return path / name;
    }
    if (!fs::exists(path, ec))
      throw Error(ExitCode::usage, fmt::format("there is no spec `{}`", given))
          .hint("`slipway init` writes one for the folder it is called in");
    return path;
  }
  if (auto found = spec_above(cwd)) return *std::move(found);
  throw Error(ExitCode::usage, "there is no slipway.yaml here or in a folder above")
      .hint("`slipway init` writes one for this folder; -f names another file");
}

Spec parse_spec(const std::string& text, const std::string& name, const LoadOptions& options,
                Diagnostics& diagnostics) {
  Spec spec;
  auto root = read_yaml(text, name, diagnostics);
  if (!root) return spec;
  if (!root->is_mapping()) {
    diagnostics.error(root->where, fmt::format("a spec is a mapping, not {}", root->describe()),
                      "it begins with `version: 1` and `name: …`; `slipway init` writes one");
    return spec;
  }
  spec.environment_names = environment_names(*root);
  spec.environment = choose_environment(spec.environment_names, options.environment, diagnostics);
  spec.vars = gather_vars(*root, spec.environment, options);
  root = with_extends(with_overrides(root, spec.environment, diagnostics), diagnostics);
  const auto project = at_path(*root, {"name"});
  root =
      put_in_known(root, {spec.vars, spec.environment, project && project->is_scalar() ? project->text : ""},
                   options, diagnostics);
  auto vars = std::move(spec.vars);
  spec_table().read(spec, *root, diagnostics);
  spec.vars = std::move(vars);
  for (auto& service : spec.backing.items) service.backing = true;
  // Code in the spec's own folder needs no `sources`.
  if (spec.sources.empty() && !root->find("sources")) {
    Source here;
    here.name = spec.name.empty() ? "here" : spec.name.text;
    here.path = {".", spec.name.where};
    here.where = spec.name.where;
    spec.sources.add(std::move(here));
  }
  check_references(spec, diagnostics);
  return spec;
}

Spec load_spec(const std::filesystem::path& file, const LoadOptions& options) {
  std::error_code ec;
  const auto absolute = fs::absolute(file, ec).lexically_normal();
  if (fs::is_directory(absolute, ec))
    throw Error(ExitCode::usage, fmt::format("`{}` is a folder", file.string())).hint("name the spec in it");
  // As the user would name it: relative to where they stand when it lies there or below.
  auto name = absolute.lexically_relative(fs::current_path(ec)).string();
  if (name.empty() || name.starts_with("..")) name = absolute.string();
  Diagnostics diagnostics;
  auto spec = parse_spec(read_file(absolute, 64u << 20), name, options, diagnostics);
  diagnostics.throw_if_errors();
  spec.file = absolute;
  spec.dir = absolute.parent_path();
  return spec;
}

}  // namespace slipway
