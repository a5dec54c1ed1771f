// The network of one test and its backing services, gone with it; also when slipway was killed: the next test
// clears what a dead one left.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "oci/network.h"
#include "sys/files.h"

namespace slipway {

class PrivateNetwork {
 public:
  // Its state lies below cache_dir/"test-networks". Throws as oci::Network::open.
  explicit PrivateNetwork(const fs::path& cache_dir);
  ~PrivateNetwork();
  PrivateNetwork(const PrivateNetwork&) = delete;
  PrivateNetwork& operator=(const PrivateNetwork&) = delete;
  oci::Network& network() { return *network_; }
  // The state folders of those whose owner is dead, and their end: for `slipway doctor`.
  static std::vector<fs::path> abandoned(const fs::path& cache_dir);
  static void clear(const fs::path& abandoned);

 private:
  fs::path dir_;
  std::optional<FileLock> lock_;  // says that the owner lives
  std::optional<oci::Network> network_;
};

}  // namespace slipway
