// Secret values, and the filter that keeps them out of everything slipway prints or stores.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// A string that is wiped when it goes and never printed by accident: there is no operator<<.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

// Replaces every known secret by "***": raw, base64 (any alignment), URL-encoded, JSON-escaped, and each line
// of a multi-line secret. Values under 4 characters are refused by add() (they would mask everything):
// returns false. Any thread.
class Masker {
 public:
  bool add(const Secret& secret);
  std::string mask(std::string_view text) const;
  bool empty() const;
  // How many bytes at the end of `text` could be the beginning of a secret: a stream holds these back.
  std::size_t pending(std::string_view text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> needles_;  // guarded by mutex_; longest first
};

// One output stream of one step: secrets split over two writes are found too. One thread.
class MaskStream {
 public:
  explicit MaskStream(const Masker& masker) : masker_(masker) {}
  std::string write(std::string_view text);  // what may be shown now
  std::string finish();                      // the rest

 private:
  const Masker& masker_;
  std::string held_;
};

}  // namespace slipway
