// Which repositories are known to hold a blob, so that a push into another repository of the same registry
// can mount it (distribution-spec "Mounting a blob from another repository") instead of sending it again.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "sys/digest.h"

namespace slipway::oci {

namespace fs = std::filesystem;

// Only a hint: what is wrong here costs a request. One thread; the folder may be shared between processes.
class BlobOrigins {
 public:
  // Kept below `folder`; in memory only when it is empty.
  explicit BlobOrigins(fs::path folder) : folder_(std::move(folder)) {}
  void note(const Digest& blob, const std::string& host, const std::string& repository);
  // A repository of `host` that has the blob and is not `except`.
  std::optional<std::string> find(const Digest& blob, const std::string& host, const std::string& except);

 private:
  std::vector<std::string>& places(const Digest& blob);
  fs::path folder_;
  std::map<Digest, std::vector<std::string>> places_;  // "host repository", newest first
};

}  // namespace slipway::oci
