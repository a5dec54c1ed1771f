// Users and groups as an image's own /etc/passwd and /etc/group name them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::oci {

struct Identity {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // further ones
  std::string home = "/";
};

// The two files of a root. They come from an image, so they are data of a stranger: only regular files of at
// most 10 MiB are read, links stay inside the root.
struct UserFiles {
  std::string passwd, group;
  static UserFiles read(int root_fd);
};

// "", "name", "1000", "1000:1000", "name:group" as USER and `docker run -u` take them. A number needs no
// entry. Throws Error(usage) "there is no user `x` in the image".
Identity find_user(const UserFiles& files, std::string_view user);
// A group alone, by name or number; nullopt when there is no such name.
std::optional<std::uint32_t> find_group(const UserFiles& files, std::string_view group);

}  // namespace slipway::oci
