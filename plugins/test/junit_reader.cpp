#include "plugins/test/junit_reader.h"

#include <pugixml.hpp>

#include "sys/files.h"

namespace slipway {

namespace {

using json = nlohmann::json;

constexpr std::uint64_t kMaxFile = 64u << 20;
constexpr std::size_t kMaxText = 16u << 10;

json case_of(const pugi::xml_node& node, const std::string& suite, const std::string& file) {
  json out = {{"name", node.attribute("name").as_string()}, {"suite", suite}, {"result", "success"}};
  if (const auto group = node.attribute("classname")) out["class"] = group.as_string();
  if (const auto source = node.attribute("file"))
    out["file"] = source.as_string();
  else if (suite.empty())
    out["suite"] = file;
  if (const auto time = node.attribute("time"))
    out["ms"] = static_cast<std::int64_t>(time.as_double() * 1000.0);
  for (const auto& [element, result] :
       {std::pair{"failure", "failure"}, {"error", "error"}, {"skipped", "skip"}}) {
    const auto found = node.child(element);
    if (!found) continue;
    out["result"] = result;
    out["message"] = found.attribute("message").as_string();
    out["output"] = std::string(found.text().as_string()).substr(0, kMaxText);
    break;
  }
  return out;
}

void walk(const pugi::xml_node& node, const std::string& suite, const std::string& file,
          std::vector<json>& out) {
  for (const auto& child : node.children()) {
    const std::string_view name = child.name();
    if (name == "testcase")
      out.push_back(case_of(child, suite, file));
    else if (name == "testsuite" || name == "testsuites")
      walk(child, child.attribute("name").as_string(suite.c_str()), file, out);
  }
}

}  // namespace

std::vector<json> read_junit_folder(const std::filesystem::path& folder) {
  std::vector<fs::path> files;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
    if (it->is_regular_file() && !it->is_symlink() && it->path().extension() == ".xml")
      files.push_back(it->path());
  std::sort(files.begin(), files.end());
  std::vector<json> out;
  for (const auto& path : files) {
    const auto name = path.lexically_relative(folder).string();
    pugi::xml_document document;
    const auto text = read_file(path, kMaxFile);
    const auto parsed = document.load_buffer(text.data(), text.size());
    const std::string_view root = document.document_element().name();
    if (parsed && (root == "testsuites" || root == "testsuite")) {
      walk(document, "", name, out);
      continue;
    }
    out.push_back({{"name", name},
                   {"suite", "reports"},
                   {"result", "error"},
                   {"message", parsed ? "this is no JUnit report"
                                      : fmt::format("this is no XML: {}", parsed.description())}});
  }
  return out;
}

}  // namespace slipway
