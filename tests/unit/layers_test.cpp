// Includes go one way; an upward one fails here.
#include <catch2/catch.hpp>
#include <fstream>
#include <regex>

namespace fs = std::filesystem;

namespace {

// The rooms from the ground up; a file may include its own room and those before it.
const std::vector<std::string> kRooms = {"base", "sys", "oci", "spec", "plugin", "plan", "run", "report"};

std::vector<std::string> includes_of(const fs::path& file) {
  std::vector<std::string> out;
  std::ifstream in(file);
  static const std::regex pattern(R"(^\s*#\s*include\s*\"([^\"]+)\")");
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) out.push_back(match[1]);
  }
  return out;
}

std::string first_part(const std::string& path) {
  return path.substr(0, path.find('/'));
}

std::size_t room_index(const std::string& name) {
  return static_cast<std::size_t>(std::find(kRooms.begin(), kRooms.end(), name) - kRooms.begin());
}

template <typename F>
int each_source(const fs::path& folder, F&& visit) {
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    visit(entry.path());
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("no room of the pipeline includes a room above it", "[layers]") {
  const fs::path pipeline = fs::path(SLIPWAY_SOURCE_DIR) / "pipeline";
  const int files = each_source(pipeline, [&](const fs::path& file) {
    const auto room = first_part(file.lexically_relative(pipeline).generic_string());
    if (room == "pch.h") return;
    INFO(file.lexically_relative(pipeline));
    REQUIRE(room_index(room) < kRooms.size());
    for (const auto& include : includes_of(file)) {
      INFO("includes " << include);
      CHECK(room_index(first_part(include)) <= room_index(room));
    }
  });
  CHECK(files > 20);
}

TEST_CASE("plugins see base, sys, oci and plugin.h, and never each other", "[layers]") {
  const fs::path plugins = fs::path(SLIPWAY_SOURCE_DIR) / "plugins";
  const int files = each_source(plugins, [&](const fs::path& file) {
    const auto relative = file.lexically_relative(plugins).generic_string();
    if (relative.starts_with("builtin.") || relative.starts_with("sdk/")) return;
    const auto own = "plugins/" + first_part(relative) + "/";
    INFO("plugins/" << relative);
    for (const auto& include : includes_of(file)) {
      INFO("includes " << include);
      const auto room = first_part(include);
      const bool allowed = room == "base" || room == "sys" || room == "oci" || include == "plugin/plugin.h" ||
                           include.starts_with(own);
      CHECK(allowed);
    }
  });
  CHECK(files > 1);
}

TEST_CASE("a C library's header stays inside a .cpp", "[layers]") {
  const fs::path root = SLIPWAY_SOURCE_DIR;
  static const std::regex c_library(
      R"(^\s*#\s*include\s*<(git2|curl/|archive|openssl/|sqlite3|zstd|isa-l|igzip|seccomp|yaml-cpp/))");
  for (const auto* folder : {"pipeline", "plugins", "cli"}) {
    each_source(root / folder, [&](const fs::path& file) {
      if (file.extension() != ".h") return;
      INFO(file.lexically_relative(root));
      std::ifstream in(file);
      for (std::string line; std::getline(in, line);) CHECK_FALSE(std::regex_search(line, c_library));
    });
  }
}
