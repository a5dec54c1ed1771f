#include "sys/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/error.h"
#include "sys/fd.h"

namespace slipway {

std::optional<Digest> Digest::parse(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  if (!text.starts_with(prefix) || text.size() != prefix.size() + 64) return std::nullopt;
  text.remove_prefix(prefix.size());
  for (char c : text)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  return Digest(std::string(text));
}

Digest Digest::of(std::string_view bytes) {
  return Hasher().update(bytes).finish();
}

Digest Digest::of_file(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) throw_errno(fmt::format("read `{}`", path.string()), errno);
  Hasher hasher;
  std::vector<char> buffer(1 << 18);
  for (;;) {
    const auto n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(fmt::format("read `{}`", path.string()), errno);
    if (n == 0) return hasher.finish();
    hasher.update({buffer.data(), static_cast<std::size_t>(n)});
  }
}

namespace {

// Fetched once: looking an algorithm up by name costs more than hashing a short key.
const EVP_MD* sha256() {
  static const EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (!algorithm) throw Error(ExitCode::internal, "OpenSSL has no SHA-256");
  return algorithm;
}

}  // namespace

struct Hasher::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() {
    if (!context || EVP_DigestInit_ex(context, sha256(), nullptr) != 1)
      throw Error(ExitCode::internal, "cannot start SHA-256");
  }
  ~Impl() { EVP_MD_CTX_free(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

Hasher::Hasher() : impl_(std::make_unique<Impl>()) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

Hasher& Hasher::update(std::string_view bytes) {
  if (EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) != 1)
    throw Error(ExitCode::internal, "SHA-256 failed");
  return *this;
}

Hasher& Hasher::field(std::string_view bytes) {
  unsigned char size[8];
  for (int i = 0; i < 8; ++i)
    size[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(bytes.size()) >> (8 * i));
  update({reinterpret_cast<const char*>(size), sizeof size});
  return update(bytes);
}

Digest Hasher::finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(impl_->context, raw, &size) != 1) throw Error(ExitCode::internal, "SHA-256 failed");
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (unsigned i = 0; i < size; ++i) {
    hex += digits[raw[i] >> 4];
    hex += digits[raw[i] & 15];
  }
  return Digest::from_hex(std::move(hex));
}

}  // namespace slipway
