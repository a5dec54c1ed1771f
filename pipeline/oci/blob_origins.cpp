#include "oci/blob_origins.h"

#include "base/error.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr std::size_t kMaxPlaces = 8;  // of one blob

}  // namespace

std::vector<std::string>& BlobOrigins::places(const Digest& blob) {
  const auto [it, is_new] = places_.try_emplace(blob);
  if (!is_new || folder_.empty()) return it->second;
  const auto text = read_file_if_exists(folder_ / blob.hex(), 64u << 10).value_or("");
  for (std::size_t from = 0; from < text.size() && it->second.size() < kMaxPlaces;) {
    const auto to = std::min(text.find('\n', from), text.size());
    if (to > from) it->second.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return it->second;
}

void BlobOrigins::note(const Digest& blob, const std::string& host, const std::string& repository) {
  auto& known = places(blob);
  const auto place = host + " " + repository;
  if (std::find(known.begin(), known.end(), place) != known.end()) return;
  known.insert(known.begin(), place);
  if (known.size() > kMaxPlaces) known.resize(kMaxPlaces);
  if (folder_.empty()) return;
  make_dirs(folder_);
  write_file_atomic(folder_ / blob.hex(), fmt::format("{}\n", fmt::join(known, "\n")));
}

std::optional<std::string> BlobOrigins::find(const Digest& blob, const std::string& host,
                                             const std::string& except) {
  for (const auto& place : places(blob)) {
    const auto space = place.find(' ');
    if (space == std::string::npos || place.substr(0, space) != host) continue;
    if (auto repository = place.substr(space + 1); repository != except) return repository;
  }
  return std::nullopt;
}

}  // namespace slipway::oci
