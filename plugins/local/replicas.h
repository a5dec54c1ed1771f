// Replicas of one project: started with a monitor each, looked at, asked, stopped, and removed without a
// trace.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "oci/network.h"
#include "oci/probe.h"
#include "plugins/local/place.h"
#include "plugins/local/replica_record.h"
#include "plugins/local/state.h"

namespace slipway::local {

class Replicas {
 public:
  explicit Replicas(const Place& place) : place_(place) {}

  // A new one with an address of its own. `lowers`: the image's layers. Throws Error when it cannot be made
  // (its command may still fail later: see state()). Nothing stays when it throws.
  Replica start(const ServicePlan& plan, oci::Network& network, const std::vector<fs::path>& lowers,
                const std::map<std::string, std::string>& hosts) const;

  std::optional<ReplicaState> state(const std::string& id) const;
  bool running(const std::string& id) const;  // and its monitor lives
  // Why there is no point in waiting for it any more; nullopt while there is.
  std::optional<std::string> ended(const std::string& id) const;
  std::string last_lines(const std::string& id, std::size_t count) const;
  // Runs a command inside, as the service's own user with its environment.
  oci::ProbeAnswer run_inside(const std::string& id, const std::vector<std::string>& argv, Millis timeout,
                              std::stop_token stop) const;

  // Stops them together and removes all that was theirs. Replicas that are gone already are fine.
  void stop(const std::vector<std::string>& ids, std::optional<oci::Network>& network) const;
  std::vector<std::string> all() const;  // ids that have a folder

 private:
  const Place& place_;
};

// The monitor's program: $SLIPWAY_SHIM, beside our own, or in PATH.
fs::path shim_program();

}  // namespace slipway::local
