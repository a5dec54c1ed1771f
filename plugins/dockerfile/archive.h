// Local archives that ADD unpacks.
#pragma once
#include <filesystem>

namespace slipway::dockerfile {

// True when the file is a tar archive, plain or compressed (gzip, bzip2, xz, zstd).
bool is_archive(const std::filesystem::path& file);

// Unpacks it below `dir` with its owners and modes (as root). Members that would land elsewhere are refused:
// Error(failed).
void unpack_archive(const std::filesystem::path& file, const std::filesystem::path& dir);

}  // namespace slipway::dockerfile
