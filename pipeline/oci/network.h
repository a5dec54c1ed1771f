// Private networks on this machine: a bridge, network namespaces and addresses, through the CNI plugins
// (cni-spec 0.4.0: bridge, host-local, loopback) that Debian ships in /usr/lib/cni.
#pragma once
#include <filesystem>
#include <map>
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

// A bridge with its own subnet out of 10.83.0.0/16 that no other network here uses. Named by the caller; the
// state lies in `state_dir`, so that another process (a later command) can attach and remove.
class Network {
 public:
  // Makes the bridge (or finds it as it was). Throws Error(unavailable) when not root or without the CNI
  // plugins.
  static Network open(const fs::path& state_dir, const std::string& name);
  Attachment attach(const std::string& container_id);  // new namespace, veth, address
  void detach(const std::string& container_id);        // namespace, veth and lease go; fine when gone already
  void remove();                                       // detaches all, removes the bridge
  const std::string& gateway() const { return gateway_; }  // our own address on the bridge
  const std::string& bridge() const { return bridge_; }
  // A further address of ours on the bridge, stable per key (a service's virtual address for the balancer).
  std::string virtual_address(const std::string& key);
  void remove_virtual_address(const std::string& key);

 private:
  fs::path state_dir_;
  std::string name_, bridge_, subnet_, gateway_;
};

}  // namespace slipway::oci
