// Whether an SSH server is the one we know (sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT").
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::git {

struct HostKey {
  std::string host;
  int port = 22;
  std::string blob;                 // the raw public key, as on the wire
  std::string fingerprint() const;  // "SHA256:…", as ssh shows it
};

// $SSH_KNOWN_HOSTS (a list with ':') when set, else ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts with
// their "2".
std::vector<std::filesystem::path> known_hosts_files();

// Throws Error(auth), with what to do, unless one of the files has exactly this key for this host and none
// revokes it.
void check_host_key(const HostKey& key, const std::vector<std::filesystem::path>& files);

}  // namespace slipway::git
