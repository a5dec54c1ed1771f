// Bytes of programs as JSON text: checked UTF-8, base64 for the rest, and RFC 3339 times read back.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

bool is_utf8(std::string_view bytes);
// `bytes` with every byte that is no UTF-8 replaced by U+FFFD.
std::string utf8_text(std::string_view bytes);

std::string base64_encode(std::string_view bytes);  // RFC 4648 section 4, padded
std::string base64_decode(std::string_view text);   // what is no base64 is skipped

// The form of format_utc (base/clock.h): "2026-11-23T19:17:05.297876Z", in microseconds since the epoch.
std::optional<std::int64_t> parse_utc(std::string_view text);

}  // namespace slipway
