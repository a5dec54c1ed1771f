#include "plugins/debian/changes.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "oci/rootpath.h"
#include "oci/sandbox.h"
#include "sys/files.h"

namespace slipway::debian {

namespace {

namespace fs = std::filesystem;

// Where `path` is in the root, its folders made.
fs::path place_for(const fs::path& root, const std::string& path) {
  const auto resolved = oci::resolve_in(root, path, false);
  if (resolved.empty()) throw Error(ExitCode::usage, fmt::format("`{}` is no path of a file", path));
  make_dirs((root / resolved).parent_path());
  return root / resolved;
}

mode_t mode_of(const std::string& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc{} || end != text.data() + text.size() || value > 07777)
    throw Error(ExitCode::usage, fmt::format("`{}` is no octal mode", text)).hint("one is \"0755\"");
  return value;
}

void remove_place(const fs::path& place) {
  std::error_code ec;
  if (fs::is_directory(fs::symlink_status(place, ec)))
    remove_tree(place);
  else if (!fs::remove(place, ec) && ec)
    throw_errno(fmt::format("remove `{}`", place.string()), ec.value());
}

std::vector<std::string> texts(const json& value) {
  std::vector<std::string> out;
  for (const auto& item : value) out.push_back(item.get<std::string>());
  return out;
}

json text() {
  return {{"type", "string"}};
}
json list() {
  return {{"type", "array"}, {"items", text()}};
}
json object_of(json value) {
  return {{"type", "object"}, {"additionalProperties", std::move(value)}};
}

}  // namespace

void apply_changes(const json& params, const fs::path& root, Context& context) {
  for (const auto& path : texts(params.value("remove", json::array()))) {
    const auto resolved = oci::resolve_in(root, path, false);
    if (resolved.empty())
      throw Error(ExitCode::usage, fmt::format("`{}` cannot be removed: it is the root", path));
    if (oci::stat_in(root, resolved))
      remove_place(root / resolved);
    else
      context.log(fmt::format("`{}` is not there, so it is not removed\n", path), true);
  }
  const auto files = params.value("files", json::object());
  for (const auto& [path, file] : files.items()) {
    const auto place = place_for(root, path);
    std::error_code ec;
    if (fs::is_directory(fs::symlink_status(place, ec)))
      throw Error(ExitCode::usage, fmt::format("`{}` is a folder in the image", path));
    if (fs::is_symlink(place, ec)) remove_place(place);
    const auto mode = mode_of(file.value("mode", "0644"));
    write_file_atomic(place, file.at("content").get<std::string>(), mode);
    if (::chmod(place.c_str(), mode) != 0) throw_errno(fmt::format("set the mode of `{}`", path), errno);
  }
  const auto links = params.value("links", json::object());
  for (const auto& [path, target] : links.items()) {
    const auto place = place_for(root, path);
    std::error_code ec;
    if (fs::exists(fs::symlink_status(place, ec))) remove_place(place);
    fs::create_symlink(target.get<std::string>(), place, ec);
    if (ec) throw_errno(fmt::format("link `{}`", path), ec.value());
  }
}

void apply_config(const json& config, oci::ImageConfig& image) {
  const auto env = config.value("env", json::object());
  if (!env.contains("PATH")) image.env.push_back("PATH=" + std::string(oci::default_path));
  for (const auto& [name, value] : env.items()) image.env.push_back(name + "=" + value.get<std::string>());
  image.cmd = texts(config.value("cmd", json::array()));
  image.entrypoint = texts(config.value("entrypoint", json::array()));
  image.working_dir = config.value("working_dir", "");
  image.stop_signal = config.value("stop_signal", "");
  image.user = config.value("user", "");
  image.exposed_ports = texts(config.value("exposed_ports", json::array()));
  for (auto& port : image.exposed_ports)
    if (port.find('/') == std::string::npos) port += "/tcp";
  image.volumes = texts(config.value("volumes", json::array()));
  std::sort(image.exposed_ports.begin(), image.exposed_ports.end());
  std::sort(image.volumes.begin(), image.volumes.end());
  const auto labels = config.value("labels", json::object());
  for (const auto& [name, value] : labels.items()) image.labels[name] = value.get<std::string>();
}

json changes_schema() {
  return {{"links", object_of(text())},
          {"remove", list()},
          {"files", object_of({{"type", "object"},
                               {"required", {"content"}},
                               {"additionalProperties", false},
                               {"properties", {{"mode", text()}, {"content", text()}}}})}};
}

json config_schema() {
  return {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"env", object_of(text())},
            {"cmd", list()},
            {"entrypoint", list()},
            {"working_dir", text()},
            {"exposed_ports", list()},
            {"volumes", list()},
            {"stop_signal", text()},
            {"user", text()},
            {"labels", object_of(text())}}}};
}

}  // namespace slipway::debian
