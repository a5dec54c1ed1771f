#include "cli/detect.h"

#include <regex>

#include "cli/templates.h"
#include "sys/files.h"

namespace slipway::cli {

namespace {

constexpr std::uint64_t kMaxRead = 1 << 20;

std::string text_of(const fs::path& path) {
  return read_file_if_exists(path, kMaxRead).value_or("");
}

std::string first_group(const std::string& text, const char* pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : std::string();
}

std::string template_text(std::string_view path) {
  for (const auto& file : template_files())
    if (file.path == path) return std::string(file.content);
  return {};
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::string python_dockerfile(const fs::path& folder) {
  std::string program = "app.py";
  for (const char* name : {"app.py", "main.py", "server.py", "run.py"})
    if (fs::exists(folder / name)) {
      program = name;
      break;
    }
  return replaced(template_text("python-flask/Dockerfile"), "app.py", program);
}

std::string node_dockerfile(const fs::path& folder) {
  const auto package = nlohmann::json::parse(text_of(folder / "package.json"), nullptr, false);
  std::string program = "server.js";
  if (package.is_object() && package.contains("main") && package["main"].is_string())
    program = package["main"].get<std::string>();
  else
    for (const char* name : {"server.js", "index.js", "app.js"})
      if (fs::exists(folder / name)) {
        program = name;
        break;
      }
  const bool locked = fs::exists(folder / "package-lock.json");
  std::string install =
      locked ? "COPY package.json package-lock.json ./\nRUN npm ci --omit=dev\n" : "COPY package.json .\n";
  if (!locked && package.is_object() && package.contains("dependencies") && !package["dependencies"].empty())
    install += "RUN npm install --omit=dev\n";
  return fmt::format("FROM node:18\nWORKDIR /app\n{}COPY . .\nUSER 1000\nCMD [\"node\", {}]\n", install,
                     nlohmann::json(program).dump());
}

std::string cmake_dockerfile(const fs::path& folder) {
  auto program =
      first_group(text_of(folder / "CMakeLists.txt"), R"(add_executable\s*\(\s*([A-Za-z0-9_.-]+))");
  if (program.empty()) program = "app";
  return fmt::format(
      "FROM gcc:12 AS build\nRUN apt-get update && apt-get install -y --no-install-recommends cmake\nWORKDIR "
      "/src\nCOPY . .\n"
      "RUN cmake -S . -B /build -DCMAKE_BUILD_TYPE=Release && cmake --build /build\n\nFROM "
      "debian:bookworm-slim\n"
      "COPY --from=build /build/{0} /usr/local/bin/{0}\nUSER 1000\nCMD [\"{0}\"]\n",
      program);
}

std::optional<Found> look(const fs::path& root, const std::string& relative) {
  const auto folder = (root / relative).lexically_normal();
  Found found;
  found.folder = relative;
  found.name = name_of_folder(folder);
  if (fs::exists(folder / "Dockerfile")) {
    found.what = "Dockerfile";
    if (const auto port = first_group(text_of(folder / "Dockerfile"), R"((?:^|\n)\s*EXPOSE\s+([0-9]{1,5}))");
        !port.empty())
      if (const int number = std::stoi(port); number >= 1 && number <= 65535) found.port = number;
    return found;
  }
  const std::pair<const char*, std::string (*)(const fs::path&)> manifests[] = {
      {"requirements.txt", python_dockerfile},
      {"package.json", node_dockerfile},
      {"go.mod", [](const fs::path&) { return template_text("go/Dockerfile"); }},
      {"CMakeLists.txt", cmake_dockerfile}};
  for (const auto& [name, dockerfile] : manifests) {
    if (!fs::exists(folder / name)) continue;
    found.what = name;
    found.dockerfile = dockerfile(folder);
    return found;
  }
  return std::nullopt;
}

}  // namespace

std::string name_of_folder(const fs::path& folder) {
  auto path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return service_name(path.filename().string());
}

std::string service_name(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      out += c;
    else if (c >= 'A' && c <= 'Z')
      out += static_cast<char>(c + 32);
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  out.resize(std::min<std::size_t>(out.size(), 63));
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "app" : out;
}

std::vector<Found> detect(const fs::path& root) {
  std::vector<Found> out;
  if (auto here = look(root, ".")) return {*here};
  std::vector<std::string> folders;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, ec), end;
       !ec && it != end; it.increment(ec)) {
    const auto name = it->path().filename().string();
    if (!it->is_directory() || it->is_symlink()) continue;
    if (name.starts_with('.') || name == "node_modules" || name == "vendor") {
      it.disable_recursion_pending();
      continue;
    }
    if (it.depth() >= 1) it.disable_recursion_pending();
    folders.push_back(it->path().lexically_relative(root).string());
  }
  std::sort(folders.begin(), folders.end());
  for (const auto& folder : folders) {
    auto found = look(root, folder);
    if (!found) continue;
    // Two folders of one name: the whole path tells them apart.
    for (const auto& other : out)
      if (other.name == found->name) found->name = service_name(folder);
    out.push_back(std::move(*found));
  }
  return out;
}

}  // namespace slipway::cli
