// Zstandard for small documents (RFC 8878).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

std::string zstd_compress(std::string_view bytes);
// nullopt when it is no frame with a known size of at most `limit` bytes.
std::optional<std::string> zstd_decompress(std::string_view bytes, std::size_t limit);

}  // namespace slipway
