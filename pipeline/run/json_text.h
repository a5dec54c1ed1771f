// Bytes of programs as JSON text: checked UTF-8, and RFC 3339 times read back.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

bool is_utf8(std::string_view bytes);
// `bytes` with every byte that is no UTF-8 replaced by U+FFFD.
std::string utf8_text(std::string_view bytes);


// The form of format_utc (base/clock.h): "2026-11-23T19:17:05.297876Z", in microseconds since the epoch.
std::optional<std::int64_t> parse_utc(std::string_view text);

}  // namespace slipway
