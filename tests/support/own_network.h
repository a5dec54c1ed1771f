// A network and a mount namespace for the thread that owns it and for all it starts: bridges, routes,
// iptables rules and mounts of a node are nobody else's, and go with the last process in there. Needs root.
#pragma once
#include "sys/fd.h"

namespace slipway::test {

// Loopback is up, nothing else is there. The destructor brings the thread back: whoever is started before
// it is in the namespaces of the machine, whoever is started after it is not reachable from there.
class OwnNetwork {
 public:
  OwnNetwork();
  ~OwnNetwork();
  OwnNetwork(const OwnNetwork&) = delete;
  OwnNetwork& operator=(const OwnNetwork&) = delete;

 private:
  Fd network_, mounts_;  // of the machine
};

}  // namespace slipway::test
