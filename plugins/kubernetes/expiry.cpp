#include "plugins/kubernetes/expiry.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "base/clock.h"
#include "sys/base64.h"

namespace slipway::kubernetes {

std::int64_t end_of_certificate(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all);
  if (!bio) return 0;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  std::tm tm{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &tm) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000;
}

std::int64_t end_of_token(const std::string& token) {
  const auto first = token.find('.'), second = token.find('.', first + 1);
  if (first == std::string::npos || second == std::string::npos) return 0;
  auto text = token.substr(first + 1, second - first - 1);
  for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;  // base64url
  while (text.size() % 4 != 0) text += '=';
  const auto decoded = base64_decode(text);
  const auto claims = decoded ? nlohmann::json::parse(*decoded, nullptr, false) : nlohmann::json();
  if (!claims.is_object() || !claims.contains("exp") || !claims["exp"].is_number()) return 0;
  return claims["exp"].get<std::int64_t>() * 1'000'000;
}

std::string expired(const Connection& connection, std::int64_t now) {
  const auto told = [&](const char* what, std::int64_t end) {
    return end > 0 && end <= now ? fmt::format("{} ended on {}", what, format_utc(end)) : std::string();
  };
  auto token = connection.token.reveal();
  if (!connection.token_file.empty())
    token = read_file_if_exists(connection.token_file, 1u << 20).value_or(std::string());
  if (auto out = told("its client certificate", end_of_certificate(connection.cert_pem)); !out.empty())
    return out;
  return told("its token", end_of_token(token));
}

}  // namespace slipway::kubernetes
