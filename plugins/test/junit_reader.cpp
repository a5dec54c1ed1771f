#include "plugins/test/junit_reader.h"

#include <cmath>
#include <cstdlib>
#include <pugixml.hpp>

#include "base/error.h"

namespace slipway {

namespace {

constexpr std::size_t kMaxCases = 100'000;
constexpr std::size_t kMaxMessage = 4 << 10, kMaxOutput = 16 << 10;

std::string cut(std::string text, std::size_t limit) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  if (text.size() > limit) text = text.substr(0, limit) + "…";
  return text;
}

// "1.5", "1,234.5" (Surefire groups thousands); seconds.
std::int64_t milliseconds(std::string text) {
  std::erase(text, ',');
  const double seconds = std::strtod(text.c_str(), nullptr);
  return std::isfinite(seconds) && seconds >= 0 && seconds < 1e7 ? std::llround(seconds * 1000) : 0;
}

TestCase read_case(const pugi::xml_node& node, const std::string& suite) {
  TestCase out;
  out.suite = suite;
  out.class_name = node.attribute("classname").value();
  out.name = node.attribute("name").value();
  out.file = node.attribute("file").value();
  out.ms = milliseconds(node.attribute("time").value());
  for (const auto& [element, result] :
       {std::pair("skipped", "skip"), {"failure", "failure"}, {"error", "error"}}) {
    const auto why = node.child(element);
    if (!why) continue;
    out.result = result;
    out.message = cut(why.attribute("message").value(), kMaxMessage);
    out.output = cut(why.child_value(), kMaxOutput);
    if (out.message.empty()) out.message = out.output.substr(0, out.output.find('\n'));
  }
  if (out.result != "success" && out.result != "skip" && out.output.empty())
    out.output = cut(node.child_value("system-out"), kMaxOutput);
  return out;
}

void read_suite(const pugi::xml_node& node, std::vector<TestCase>& cases, int depth) {
  if (depth > 32) return;
  const std::string suite = node.attribute("name").value();
  for (const auto& child : node.children()) {
    const std::string_view name = child.name();
    if (name == "testsuite") read_suite(child, cases, depth + 1);
    if (name == "testcase" && cases.size() < kMaxCases) cases.push_back(read_case(child, suite));
  }
}

}  // namespace

std::vector<TestCase> read_junit(std::string_view text) {
  pugi::xml_document document;
  // pugixml expands no entities of the text's own and reads no other files.
  const auto parsed = document.load_buffer(text.data(), text.size());
  if (!parsed) throw Error(ExitCode::usage, fmt::format("is no JUnit report: {}", parsed.description()));
  const auto top = document.document_element();
  const std::string_view name = top.name();
  if (name != "testsuites" && name != "testsuite")
    throw Error(ExitCode::usage, fmt::format("is no JUnit report: its top element is `{}`", name));
  std::vector<TestCase> cases;
  read_suite(top, cases, 0);
  return cases;
}

}  // namespace slipway
