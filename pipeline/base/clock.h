// Times as slipway writes and reads them.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;

// Microseconds since the epoch, UTC.
std::int64_t now_micros();
// RFC 3339 with microseconds: "2026-11-23T19:17:05.297876Z".
std::string format_utc(std::int64_t micros);
// "90s", "1m30s", "500ms", "1h", "1.5s" (Go syntax); nullopt when it is none, negative or above 10 years.
std::optional<Millis> parse_duration(std::string_view text);
// "0.4s", "1m24s", "2h03m": as the console shows spans.
std::string format_duration(Millis span);
// "20GB", "512MiB", "100k", "1048576"; powers of 1024 (as compose does); nullopt when it is none.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  // "418 MB", "1.2 GB", powers of 1000

}  // namespace slipway
