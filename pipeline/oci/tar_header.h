// The header blocks of one tar entry: ustar (POSIX.1-1988), with a PAX extended header (POSIX.1-2001) before
// it where ustar has no room.
#pragma once
#include <string>

#include "oci/layer.h"

namespace slipway::oci {

inline constexpr std::size_t tar_block = 512;  // bytes

// Whole blocks; the entry's content and its padding follow. Throws Error(usage) for a path that no layer may
// hold.
std::string tar_header(const Entry& entry);

}  // namespace slipway::oci
