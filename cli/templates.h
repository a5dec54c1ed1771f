// The files of templates/ and plugins/sdk/, held in the program.
#pragma once
#include <string_view>
#include <vector>

namespace slipway::cli {

struct TemplateFile {
  std::string_view path;  // "shop/users/app.py"
  std::string_view content;
};
// Both by path; made by cmake/embed.cmake.
const std::vector<TemplateFile>& template_files();
const std::vector<TemplateFile>& sdk_files();

}  // namespace slipway::cli
