#include "oci/users.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace slipway;
using namespace slipway::oci;

namespace {
const UserFiles files{
    "root:x:0:0:root:/root:/bin/sh\n# a comment\napp:x:1000:1001::/home/app:/bin/sh\nbroken\n",
    "root:x:0:\nstaff:x:50:app,other\napp:x:1001:\nwheel:x:10:root\n"};

std::string refusal(std::string_view user) {
  try {
    find_user(files, user);
  } catch (const Error& e) {
    return e.str();
  }
  return "no error";
}
}  // namespace

TEST_CASE("USER takes names and numbers, with and without a group", "[oci]") {
  const auto app = find_user(files, "app");
  CHECK(app.uid == 1000);
  CHECK(app.gid == 1001);
  CHECK(app.home == "/home/app");
  CHECK(app.groups == std::vector<std::uint32_t>{50});

  CHECK(find_user(files, "").home == "/root");
  CHECK(find_user(files, "1000").gid == 1001);
  CHECK(find_user(files, "7").uid == 7);
  CHECK(find_user(files, "7").gid == 0);
  CHECK(find_user(files, "7:8").gid == 8);
  CHECK(find_user(files, "app:staff").gid == 50);
  CHECK(find_user(files, "app:staff").groups.empty());
}

TEST_CASE("a name that the image does not have is refused", "[oci]") {
  CHECK_THAT(refusal("nobody"), Catch::Contains("there is no user `nobody` in the image"));
  CHECK_THAT(refusal("app:nogroup"), Catch::Contains("there is no group `nogroup` in the image"));
}
