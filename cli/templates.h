// The files of templates/, held in the program.
#pragma once
#include <string_view>
#include <vector>

namespace slipway::cli {

struct TemplateFile {
  std::string_view path;  // "shop/users/app.py"
  std::string_view content;
};
const std::vector<TemplateFile>& template_files();  // by path; made by cmake/embed.cmake

}  // namespace slipway::cli
