#include "sys/zstd.h"

#include <zstd.h>

#include "base/error.h"

namespace slipway {

std::string zstd_compress(std::string_view bytes) {
  std::string out(::ZSTD_compressBound(bytes.size()), '\0');
  const auto size = ::ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), ZSTD_CLEVEL_DEFAULT);
  if (::ZSTD_isError(size))
    throw Error(ExitCode::internal, fmt::format("zstd: {}", ::ZSTD_getErrorName(size)));
  out.resize(size);
  return out;
}

std::optional<std::string> zstd_decompress(std::string_view bytes, std::size_t limit) {
  const auto size = ::ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > limit) return std::nullopt;
  std::string out(static_cast<std::size_t>(size), '\0');
  const auto got = ::ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (::ZSTD_isError(got) || got != size) return std::nullopt;
  return out;
}

}  // namespace slipway
