#include "cli/detect.h"

#include <regex>
#include <sstream>

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

// The port that the text of a program listens on, as programs of the languages below are mostly written:
// port=5000, process.env.PORT || 3000, server.listen(3000), ListenAndServe(":8080", …), Addr: ":8080",
// htons(8080).
std::optional<int> port_in(const std::string& program) {
  static const std::regex pattern(
      R"re((?:\bport\s*=|\bPORT\s*\|\||\blisten\s*\(|\bListen(?:AndServe)?\s*\([^)]*"[0-9.]*:|\bAddr\s*:\s*"[0-9.]*:|\bhtons\s*\()\s*([0-9]{2,5})\b)re");
  constexpr std::size_t kLongest = 500;  // a line beyond was not written by hand, and a regex is slow on it
  std::istringstream lines(program);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.size() > kLongest || !std::regex_search(line, match, pattern)) continue;
    if (const int port = std::stoi(match[1].str()); port <= 65535) return port;
  }
  return std::nullopt;
}

// The first of its source files here with a port in it.
std::optional<int> port_of(const fs::path& folder, std::initializer_list<std::string_view> endings) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() &&
        std::find(endings.begin(), endings.end(), entry.path().extension().string()) != endings.end())
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files)
    if (const auto port = port_in(text_of(file))) return port;
  return std::nullopt;
}

void python(const fs::path& folder, Found& found) {
  std::string program = "app.py";
  for (const char* name : {"app.py", "main.py", "server.py", "run.py"})
    if (fs::exists(folder / name)) {
      program = name;
      break;
    }
  found.dockerfile = replaced(template_text("python-flask/Dockerfile"), "app.py", program);
  found.ignore = template_text("python-flask/.dockerignore");
  found.bases = {python_base(text_of(folder / "requirements.txt"))};
  found.port = port_of(folder, {".py"});
  // Flask's own server, when it is told nothing else.
  if (!found.port && text_of(folder / program).find("app.run(") != std::string::npos) found.port = 5000;
}

void node(const fs::path& folder, Found& found) {
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
  found.dockerfile = fmt::format("FROM node:18\nWORKDIR /app\n{}COPY . .\nUSER 1000\nCMD [\"node\", {}]\n",
                                 install, nlohmann::json(program).dump());
  found.ignore = template_text("node/.dockerignore");
  found.bases = {node_base(install.find("RUN") != std::string::npos)};
  found.port = port_in(text_of(folder / program));
  if (!found.port) found.port = port_of(folder, {".js", ".mjs", ".cjs"});
}

void go(const fs::path& folder, Found& found) {
  found.dockerfile = template_text("go/Dockerfile");
  found.ignore = template_text("go/.dockerignore");
  found.bases = {golang_base()};
  found.port = port_of(folder, {".go"});
}

void cmake(const fs::path& folder, Found& found) {
  auto program =
      first_group(text_of(folder / "CMakeLists.txt"), R"(add_executable\s*\(\s*([A-Za-z0-9_.-]+))");
  if (program.empty()) program = "app";
  found.dockerfile = fmt::format(
      "FROM gcc:12 AS build\n"
      "RUN command -v cmake || (apt-get update && apt-get install -y --no-install-recommends cmake)\n"
      "WORKDIR /src\nCOPY . .\n"
      "RUN cmake -S . -B /build -DCMAKE_BUILD_TYPE=Release && cmake --build /build\n\nFROM "
      "debian:bookworm-slim\n"
      "COPY --from=build /build/{0} /usr/local/bin/{0}\nUSER 1000\nCMD [\"{0}\"]\n",
      program);
  found.ignore = template_text("cpp/.dockerignore");
  found.bases = {gcc_base(), slim_base()};
  found.port = port_of(folder, {".cpp", ".cc", ".cxx", ".c"});
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
  const std::pair<const char*, void (*)(const fs::path&, Found&)> manifests[] = {
      {"requirements.txt", python}, {"package.json", node}, {"go.mod", go}, {"CMakeLists.txt", cmake}};
  for (const auto& [name, fill] : manifests) {
    if (!fs::exists(folder / name)) continue;
    found.what = name;
    fill(folder, found);
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
