// Small images made by hand for tests: busybox and a few files, put in a user's store without any builder.
#pragma once
#include <map>
#include <string>

#include "oci/store.h"

namespace slipway::test {

struct TestImage {
  std::map<std::string, std::string> files;  // "www/index.html" → text; modes 0755
  std::vector<std::string> cmd = {"httpd", "-f", "-p", "8080", "-h", "/www"};
  std::vector<std::string> exposed_ports;
  std::string stop_signal;
};

// The image's descriptor, as params hold it. Needs busybox.
nlohmann::json make_image(const std::filesystem::path& cache_dir, const TestImage& image);

}  // namespace slipway::test
