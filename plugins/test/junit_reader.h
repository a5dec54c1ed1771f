// JUnit XML as the test frameworks of every language write it (github.com/testmoapp/junitxml): read
// leniently, as it is a stranger's text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

struct TestCase {
  std::string suite, class_name, name, file;
  std::string result = "success";  // "success" "failure" "error" "skip"
  std::string message, output;     // why it did not succeed; output at most 16 KiB
  std::int64_t ms = 0;
};

// Throws Error(usage) "is no JUnit report: …" when the text is no XML or has other elements at its top. At
// most 100,000 cases are read.
std::vector<TestCase> read_junit(std::string_view text);

}  // namespace slipway
