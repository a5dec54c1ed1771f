// The options of an overlay mount, short however many layers there are.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "sys/fd.h"

namespace slipway::oci {

namespace fs = std::filesystem;

struct Overlay {
  std::vector<fs::path> lowers;  // lowest first; may be empty when there is an upper
  fs::path upper, work;          // both empty: read-only
};

// Fills the folder `dir` with links of one or two letters to the parts of `overlay` and returns mount options
// that name those: whoever mounts must stand in `dir`. Without it 40 layers overflow the page that mount(2)
// takes. `bottom`, when given, is put below all lowers.
std::string link_overlay(const Overlay& overlay, const fs::path& dir, const fs::path& bottom = {});

// The detached mount of an overlay whose links lie in `dir`; an empty Fd with errno when the kernel has no
// such thing, or the list is too long for it.
Fd detached_overlay(const fs::path& dir, const std::string& options);

}  // namespace slipway::oci
