// Private networks on this machine: a bridge, network namespaces and addresses, through the CNI plugins
// (cni-spec 0.4.0: bridge, host-local, loopback) that Debian ships in /usr/lib/cni.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace slipway::oci {

namespace fs = std::filesystem;

// A network namespace of one container, attached to a bridge.
struct Attachment {
  std::string id;       // of the container
  fs::path netns;       // "/run/netns/…", to give to SandboxSpec::netns
  std::string address;  // IPv4 on the bridge, without prefix
};

// A bridge with its own subnet out of 10.83.0.0/16 that no other network here uses. The state lies in
// `state_dir`, so that another process (a later command) can attach and remove; calls of several threads and
// processes are safe. Containers reach each other, this machine and, masqueraded, what it reaches.
class Network {
 public:
  // Makes the bridge (or finds it as it was; that costs no process). `name` is for people. Throws
  // Error(unavailable) when not root or without the CNI plugins.
  static Network open(const fs::path& state_dir, const std::string& name);
  // The network whose state lies in `state_dir`, as it is; nullopt when there is none.
  static std::optional<Network> find(const fs::path& state_dir);
  // The state folders of the networks whose bridges are up on this machine.
  static std::vector<fs::path> all();
  // Bridges of this kind whose state folder is gone (somebody removed it by hand), and their end, with the
  // namespaces and rules that were theirs: for `slipway doctor`.
  static std::vector<std::string> orphans();
  static void remove_orphan(const std::string& bridge);

  // New namespace, veth, address; what it was when it is attached already.
  Attachment attach(const std::string& container_id);
  void detach(const std::string& container_id);  // namespace, veth and lease go; fine when gone already
  std::vector<std::string> attached() const;     // container ids
  void remove();                                 // detaches all, removes the bridge and the state

  bool up() const;                                         // the bridge is there
  const std::string& gateway() const { return gateway_; }  // our own address on the bridge
  const std::string& bridge() const { return bridge_; }
  // A further address of ours on the bridge, stable per key (a service's virtual address for the balancer).
  std::string virtual_address(const std::string& key);
  void remove_virtual_address(const std::string& key);

 private:
  explicit Network(fs::path state_dir) : state_dir_(std::move(state_dir)) {}
  void load(const nlohmann::json& state);
  void bring_up();
  nlohmann::json config() const;  // of the CNI bridge plugin

  fs::path state_dir_;
  std::string name_, bridge_, subnet_, gateway_;
};

}  // namespace slipway::oci
