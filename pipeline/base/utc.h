// Times of format_utc (base/clock.h) read back.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace slipway {

// "2026-11-23T19:17:05.297876Z", in microseconds since the epoch; nullopt for any other form.
std::optional<std::int64_t> parse_utc(std::string_view text);

}  // namespace slipway
