// slipway init: a spec for the folder at hand, or a whole sample project.
#include <set>

#include "base/suggest.h"
#include "cli/command.h"
#include "cli/detect.h"
#include "cli/templates.h"
#include "spec/load.h"
#include "spec/schema.h"
#include "sys/git_init.h"

namespace slipway::cli {

namespace {

struct InitFlags {
  std::string folder = ".", template_name;
};

// What was done, for the result.
struct Done {
  std::vector<std::string> found, wrote, repositories;
};

std::vector<std::string> template_names() {
  std::set<std::string> names;
  for (const auto& file : template_files())
    names.insert(std::string(file.path.substr(0, file.path.find('/'))));
  return {names.begin(), names.end()};
}

void write_new(const fs::path& root, const std::string& path, std::string_view content, Done& done) {
  make_dirs((root / path).parent_path());
  write_file_atomic(root / path, content);
  done.wrote.push_back(path);
}

// Nothing of the user's is ever replaced.
void refuse_existing(const fs::path& root, const std::vector<std::string>& paths) {
  std::string there;
  for (const auto& path : paths)
    if (fs::exists(root / path)) there += (there.empty() ? "`" : ", `") + path + "`";
  if (!there.empty())
    throw Error(ExitCode::usage, fmt::format("`{}` holds {} already", root.string(), there))
        .hint("name an empty folder: `slipway init --template NAME DIR`");
}

void write_editor_files(const fs::path& root, Done& done) {
  make_dirs(root / ".slipway");
  write_file_atomic(root / ".slipway/schema.json", spec_json_schema().dump(2) + "\n");
  const auto ignored = read_file_if_exists(root / ".gitignore").value_or("");
  if (ignored.find(".slipway/") == std::string::npos) {
    write_file_atomic(root / ".gitignore",
                      ignored + (ignored.empty() || ignored.ends_with('\n') ? "" : "\n") + ".slipway/\n");
    done.wrote.emplace_back(".gitignore");
  }
}

// The project is named after its folder; the sample shop keeps its name.
std::string with_name(std::string spec, const std::string& old_name, const std::string& name) {
  const auto line = "\nname: " + old_name + "\n";
  if (const auto at = spec.find(line); at != std::string::npos)
    spec.replace(at, line.size(), "\nname: " + name + "\n");
  return spec;
}

bool inside_repository(const fs::path& folder) {
  for (auto at = fs::absolute(folder).lexically_normal();; at = at.parent_path()) {
    if (fs::exists(at / ".git")) return true;
    if (at == at.root_path()) return false;
  }
}

void from_template(const InitFlags& flags, const fs::path& root, Done& done) {
  const auto names = template_names();
  if (std::find(names.begin(), names.end(), flags.template_name) == names.end())
    throw Error(ExitCode::usage, fmt::format("there is no template `{}`", flags.template_name))
        .hint(suggestion_hint(flags.template_name, names));
  const auto prefix = flags.template_name + "/";
  std::vector<std::string> paths;
  for (const auto& file : template_files())
    if (file.path.starts_with(prefix)) paths.emplace_back(file.path.substr(prefix.size()));
  refuse_existing(root, paths);
  std::set<std::string> services;  // folders with a Dockerfile of their own
  for (const auto& file : template_files()) {
    if (!file.path.starts_with(prefix)) continue;
    const auto path = std::string(file.path.substr(prefix.size()));
    if (path.ends_with("/Dockerfile")) services.insert(path.substr(0, path.size() - 11));
    const bool named = path == "slipway.yaml" && services.empty() && flags.template_name != "shop";
    write_new(root, path,
              named ? with_name(std::string(file.content), flags.template_name, name_of_folder(root))
                    : std::string(file.content),
              done);
    if (path.starts_with("secrets/"))
      fs::permissions(root / path, fs::perms::owner_read | fs::perms::owner_write);
  }
  write_editor_files(root, done);
  // Each service of a sample is a repository of its own, as in real life.
  for (const auto& service : services) {
    git::init_repository(root / service, "Start");
    done.repositories.push_back(service);
  }
  if (services.empty() && !inside_repository(root)) {
    git::init_repository(root, "Start");
    done.repositories.emplace_back(".");
  }
}

std::string spec_for(const std::string& project, const std::vector<Found>& found) {
  std::string out = fmt::format(
      "# yaml-language-server: $schema=.slipway/schema.json\n#   slipway run       build and bring it to "
      "health on this machine\n"
      "#   slipway status    what runs        slipway logs -f    what it says        slipway down    stop "
      "it\nversion: 1\nname: {}\n\n",
      project);
  std::vector<DebianBase> bases;
  std::vector<std::string> names;
  for (const auto& one : found) {
    names.push_back(one.name);
    bases.insert(bases.end(), one.bases.begin(), one.bases.end());
  }
  bases = merged(bases, names);
  if (!bases.empty()) out += mirrors_yaml(bases) + "\n";
  out += "images:\n" + images_yaml(bases);
  for (const auto& one : found)
    out += one.folder == "."
               ? fmt::format("  {}: {{}}\n", one.name)
               : fmt::format("  {}: {{context: {}}}\n", one.name, nlohmann::json(one.folder).dump());
  out += "\nservices:\n";
  int publish = 8080;
  for (const auto& one : found)
    out += fmt::format(
        "  {0}:\n    image: {0}\n    port: {1}\n    publish: {2}\n    healthcheck: {{tcp: {1}}}   # better: "
        "{{http: /healthz}}\n",
        one.name, one.port.value_or(8080), publish++);
  return out + "\nenvironments:\n  local:\n    target: {kind: local}\n";
}

void from_folder(const fs::path& root, Done& done) {
  if (fs::exists(root / "slipway.yaml"))
    throw Error(ExitCode::usage, "there is a slipway.yaml already").hint("`slipway check` looks at it");
  const auto found = detect(root);
  if (found.empty())
    throw Error(
        ExitCode::usage,
        fmt::format("`{}` holds no Dockerfile, requirements.txt, package.json, go.mod or CMakeLists.txt",
                    root.string()))
        .hint("start from a sample: `slipway init --template python-flask DIR` (or " + [] {
          std::string list;
          for (const auto& name : template_names())
            if (name != "python-flask") list += (list.empty() ? "" : ", ") + name;
          return list + ")";
        }());
  for (const auto& one : found) {
    const auto prefix = one.folder == "." ? std::string() : one.folder + "/";
    done.found.push_back(prefix + one.what);
    if (!one.dockerfile.empty()) write_new(root, prefix + "Dockerfile", one.dockerfile, done);
    if (!one.ignore.empty() && !fs::exists(root / (prefix + ".dockerignore")))
      write_new(root, prefix + ".dockerignore", one.ignore, done);
  }
  write_new(root, "slipway.yaml", spec_for(name_of_folder(root), found), done);
  write_editor_files(root, done);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : "  ") + word;
  return out;
}

void init(const InitFlags& flags, Session& session) {
  const fs::path root = flags.folder;
  make_dirs(root);
  Done done;
  if (flags.template_name.empty())
    from_folder(root, done);
  else
    from_template(flags, root, done);
  load_spec(root / "slipway.yaml");  // what init writes is valid, always
  if (session.output == "json") {
    fmt::print("{}\n", nlohmann::json{{"folder", fs::absolute(root).lexically_normal().string()},
                                      {"found", done.found},
                                      {"wrote", done.wrote},
                                      {"repositories", done.repositories}}
                           .dump());
    return;
  }
  if (!done.found.empty()) fmt::print("found  {}\n", joined(done.found));
  fmt::print("wrote  {}\n", done.wrote.size() <= 8
                                ? joined(done.wrote)
                                : fmt::format("{} files in {}", done.wrote.size(), root.string()));
  if (!done.repositories.empty()) fmt::print("git    {}\n", joined(done.repositories));
  const auto there = flags.folder == "." ? std::string() : fmt::format("cd {} && ", flags.folder);
  fmt::print("next   {}slipway run\n", there);
}

}  // namespace

void add_init(CLI::App& app, Session& session) {
  auto flags = std::make_shared<InitFlags>();
  auto* sub = app.add_subcommand("init", "write slipway.yaml for this folder, or lay out a sample project");
  std::string list;
  for (const auto& name : template_names()) list += (list.empty() ? "" : ", ") + name;
  sub->add_option("-t,--template", flags->template_name, "a sample to start from: " + list);
  sub->add_option("DIR", flags->folder, "the folder (default: this one)");
  sub->callback([flags, &session] { init(*flags, session); });
}

}  // namespace slipway::cli
