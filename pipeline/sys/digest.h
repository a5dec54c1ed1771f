// SHA-256 digests as OCI writes them: "sha256:<64 lower-case hex>" (image-spec descriptor.md "Digests").
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

class Digest {
 public:
  Digest() = default;
  // Only sha256 with 64 lower-case hex digits; nullopt for anything else (also path tricks).
  static std::optional<Digest> parse(std::string_view text);
  static Digest from_hex(std::string hex64) { return Digest(std::move(hex64)); }
  static Digest of(std::string_view bytes);
  static Digest of_file(const std::filesystem::path& path);

  const std::string& hex() const { return hex_; }
  std::string str() const { return "sha256:" + hex_; }
  std::string short_hex() const { return hex_.substr(0, 12); }
  bool empty() const { return hex_.empty(); }
  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(std::string hex) : hex_(std::move(hex)) {}
  std::string hex_;
};

// Incremental SHA-256 (OpenSSL EVP).
class Hasher {
 public:
  Hasher();
  Hasher(Hasher&&) noexcept;
  ~Hasher();
  Hasher& update(std::string_view bytes);
  // Length-prefixed, so that fields cannot run into each other; for keys.
  Hasher& field(std::string_view bytes);
  Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway
