// JUnit XML as test runners write it.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace slipway {

// The cases of every *.xml below `folder` as "test.case" facts (report/junit.h), in order of path and
// document. A file that is no JUnit gives one case with the result "error" that says so: a report that cannot
// be read is never taken for a green one.
std::vector<nlohmann::json> read_junit_folder(const std::filesystem::path& folder);

}  // namespace slipway
