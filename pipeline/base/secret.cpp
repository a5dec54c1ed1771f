#include "base/secret.h"

#include <cstring>

namespace slipway {

Secret::~Secret() {
  if (!value_.empty()) explicit_bzero(value_.data(), value_.size());
}

namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The characters of base64 that are decided by `value` alone when it stands `skip` bytes into a group of
// three.
std::string base64_core(std::string_view value, std::size_t skip) {
  std::string padded(skip, '\0');
  padded += value;
  std::string out;
  const auto byte = [&](std::size_t i) {
    return i < padded.size() ? static_cast<unsigned char>(padded[i]) : 0u;
  };
  for (std::size_t i = 0; i < padded.size(); i += 3) {
    const unsigned n = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2);
    // Of a group that the value does not fill, the last character hangs on what follows.
    const auto decided = i + 3 <= padded.size() ? 4 : padded.size() - i;
    for (std::size_t k = 0; k < decided; ++k) out += kBase64[(n >> (18 - 6 * k)) & 63];
  }
  return out.substr(skip == 0 ? 0 : skip + 1);
}

std::string url_encoded(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::strchr("-_.~", c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

bool Masker::add(const Secret& secret) {
  const std::string& value = secret.reveal();
  if (value.size() < 4) return false;
  std::vector<std::string> forms{value, url_encoded(value)};
  const std::string quoted =
      nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  forms.push_back(quoted.substr(1, quoted.size() - 2));
  for (std::size_t skip = 0; skip < 3; ++skip) {
    forms.push_back(base64_core(value, skip));
    auto url_safe = forms.back();
    for (char& c : url_safe) c = c == '+' ? '-' : c == '/' ? '_' : c;
    forms.push_back(url_safe);
  }
  for (std::size_t from = 0; from < value.size();) {
    auto to = std::min(value.find('\n', from), value.size());
    auto line = value.substr(from, to - from);
    if (line.ends_with('\r')) line.pop_back();
    forms.push_back(line);
    from = to + 1;
  }
  std::lock_guard lock(mutex_);
  for (auto& form : forms)
    if (form.size() >= 4 && std::find(needles_.begin(), needles_.end(), form) == needles_.end())
      needles_.push_back(std::move(form));
  std::sort(needles_.begin(), needles_.end(),
            [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
  return true;
}

bool Masker::empty() const {
  std::lock_guard lock(mutex_);
  return needles_.empty();
}

std::string Masker::mask(std::string_view text) const {
  std::lock_guard lock(mutex_);
  std::string out(text);
  for (const auto& needle : needles_)
    for (auto at = out.find(needle); at != std::string::npos; at = out.find(needle, at + 3))
      out.replace(at, needle.size(), "***");
  return out;
}

std::size_t Masker::pending(std::string_view text) const {
  std::lock_guard lock(mutex_);
  std::size_t longest = 0;
  for (const auto& needle : needles_) {
    for (auto n = std::min(needle.size() - 1, text.size()); n > longest; --n)
      if (text.ends_with(std::string_view(needle).substr(0, n))) {
        longest = n;
        break;
      }
  }
  return longest;
}

std::string MaskStream::write(std::string_view text) {
  // Mask first, then hold back: a whole secret whose last bytes look like the start of another must go too.
  held_ = masker_.mask(held_ + std::string(text));
  const std::size_t shown_size = held_.size() - masker_.pending(held_);
  std::string shown = held_.substr(0, shown_size);
  held_.erase(0, shown_size);
  return shown;
}

std::string MaskStream::finish() {
  std::string rest = masker_.mask(held_);
  held_.clear();
  return rest;
}

}  // namespace slipway
