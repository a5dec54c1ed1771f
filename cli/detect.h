// What a folder holds that slipway could build: Dockerfiles, and manifests of known languages.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/debian_bases.h"

namespace slipway::cli {

struct Found {
  std::string name;               // for the image and the service
  std::string folder;             // relative; "." for the folder itself
  std::string what;               // "Dockerfile", "requirements.txt", …
  std::string dockerfile;         // to write, for a manifest without one; empty when there is one
  std::string ignore;             // .dockerignore to write with it, unless there is one
  std::vector<DebianBase> bases;  // that stand in for the images of that Dockerfile
  std::optional<int> port;        // that it listens on, when the Dockerfile or the program says so
};

// The folder itself, else its sub-folders two levels deep; sorted by folder.
std::vector<Found> detect(const std::filesystem::path& root);

// service_name() of a folder's own name, also for ".".
std::string name_of_folder(const std::filesystem::path& folder);

// A name that services may have, made of any text; "app" when nothing is left.
std::string service_name(const std::string& text);

}  // namespace slipway::cli
