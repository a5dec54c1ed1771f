// A root file system that the tests make by themselves, of busybox-static alone.
#pragma once
#include <filesystem>

namespace slipway::test {

// DIR with /bin/busybox (of the package busybox-static; ask have("busybox") before), a link per applet in
// /bin, /etc/passwd and /etc/group (root, app 1000, group crew 2000), /tmp.
void make_busybox_root(const std::filesystem::path& dir);

}  // namespace slipway::test
