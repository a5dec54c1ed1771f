// A Docker Engine's socket on another machine, brought here by the user's own ssh.
#pragma once
#include <stop_token>

#include "oci/engine_endpoint.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::oci {

// Ends with its owner.
class EngineTunnel {
 public:
  // Ready when it returns. Throws Error(unavailable) with what ssh said.
  EngineTunnel(const SshPlace& place, const std::stop_token& stop);
  fs::path socket() const { return dir_.path() / "docker.sock"; }

 private:
  TempDir dir_;
  Child ssh_;
};

}  // namespace slipway::oci
