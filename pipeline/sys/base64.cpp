#include "sys/base64.h"

#include <openssl/evp.h>

namespace slipway {

std::string base64_encode(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  std::string clean;
  for (const char c : text)
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') clean += c;
  if (clean.empty()) return "";
  // OpenSSL takes padding anywhere.
  const auto padding = std::min(clean.find('='), clean.size());
  if (clean.size() % 4 != 0 || clean.size() - padding > 2 ||
      clean.find_first_not_of('=', padding) != std::string::npos)
    return std::nullopt;
  std::string out(clean.size() / 4 * 3, '\0');
  const int size =
      ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(clean.data()), static_cast<int>(clean.size()));
  if (size < 0) return std::nullopt;
  // The padding's zero bytes are counted by EVP_DecodeBlock.
  out.resize(static_cast<std::size_t>(size) - (clean.size() - padding));
  return out;
}

}  // namespace slipway
