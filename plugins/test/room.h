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

namespace slipway {

class TestRoom {
 public:
  TestRoom(const Invocation& invocation, Context& context);
  ~TestRoom();  // stops everything; nothing stays behind

  // Starts the services, those that others depend on first, and returns when all are healthy. A service that
  // does not get there: why, with its last lines; empty when all is well.
  struct Failed {
    std::string service, why, detail;
  };
  std::optional<Failed> start_services();

  // Runs the test's own command to the end.
  Finished run(const OnOutput& on_output, const WaitOptions& options);

 private:
  struct Running {
    std::unique_ptr<oci::BackgroundSandbox> sandbox;
    std::string address;
  };
  oci::SandboxSpec sandbox_of(const json& image, const std::string& name);
  std::string join_network(const std::string& name, oci::SandboxSpec& spec);
  void start(const std::string& name, const json& service);
  std::optional<Failed> wait_for(const std::string& name, const json& service);
  std::vector<std::string> order() const;

  const Invocation& invocation_;
  Context& context_;
  oci::Runtime runtime_;
  oci::Store store_;
  oci::Snapshots snapshots_;
  oci::Scratch scratch_;
  std::optional<oci::Network> network_;
  std::map<std::string, std::string> hosts_;  // name → address, all of them before anything starts
  std::map<std::string, oci::Attachment> attached_;
  std::map<std::string, Running> running_;
};

}  // namespace slipway
