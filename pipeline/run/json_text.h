// Bytes of programs as JSON text: checked UTF-8.
#pragma once
#include <string>
#include <string_view>

namespace slipway {

bool is_utf8(std::string_view bytes);
// `bytes` with every byte that is no UTF-8 replaced by U+FFFD.
std::string utf8_text(std::string_view bytes);

}  // namespace slipway
