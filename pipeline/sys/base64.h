// Base64 (RFC 4648 section 4, padded) by OpenSSL.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

std::string base64_encode(std::string_view bytes);
// Blanks and line breaks are passed over; nullopt when the rest is no base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace slipway
