// The room of one test: a private network, the backing services in it, and the sandbox the command runs in.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "oci/background.h"
#include "oci/network.h"
#include "oci/scratch.h"
#include "oci/snapshot.h"
#include "plugin/plugin.h"
#include "plugins/test/private_network.h"

namespace slipway {

class TestRoom {
 public:
  TestRoom(const Invocation& invocation, Context& context);
  // Its end stops everything; nothing stays behind.

  // Starts the services, those that others depend on first, and returns when all are healthy. A service that
  // does not get there: why, with its last lines; empty when all is well.
  struct Failed {
    std::string why, detail;
  };
  std::optional<Failed> start_services();

  // Runs the test's own command to the end.
  Finished run(const OnOutput& on_output, const WaitOptions& options);
  // The folder that the command saw as $SLIPWAY_REPORTS; it may have put anything there.
  fs::path reports() const { return invocation_.work_dir / "reports"; }
  // The services that ended while the test ran, why, and their last lines; "" when all are up.
  std::string casualties() const;

 private:
  struct Running {
    std::unique_ptr<oci::BackgroundSandbox> sandbox;
    std::string address;
    std::optional<oci::Healthcheck> check;  // the service's, else its image's, else TCP to its port
  };
  oci::SandboxSpec sandbox_of(const json& image, const std::string& name);
  void start(const std::string& name, const json& service);
  std::optional<Failed> wait_for(const std::string& name);
  std::vector<std::string> order() const;

  const Invocation& invocation_;
  Context& context_;
  oci::Runtime runtime_;
  oci::Store store_;
  oci::Snapshots snapshots_;
  oci::Scratch scratch_;
  std::optional<PrivateNetwork> network_;
  std::map<std::string, std::string> hosts_;  // name → address, all of them before anything starts
  std::map<std::string, oci::Attachment> attached_;
  std::map<std::string, Running> running_;
};

}  // namespace slipway
