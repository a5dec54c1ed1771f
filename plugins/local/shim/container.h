// The container of a replica: its root, mounted where only the shim and its children see it, and the command
// that runs it. All of it goes with the last of these processes, also on kill -9: there is nothing to clean
// up.
#pragma once
#include <memory>
#include <string>

#include "oci/sandbox.h"
#include "plugins/local/replica_record.h"
#include "sys/process.h"

namespace slipway::local {

class Container {
 public:
  // Moves the calling process, which has one thread, into a mount namespace of its own, mounts the root there
  // and writes the bundle to memory. Throws Error.
  explicit Container(const ReplicaOrder& order);
  // Starts it; the runtime and everything in the container die with the child, and the child with us.
  Child start() const;
  // Signals the container's first process; false when there is none.
  static bool signal(const Child& child, int number);

 private:
  std::string id_;
  fs::path bundle_;
  oci::Runtime runtime_;
};

// "SIGTERM", "TERM", "15" as an image names its stop signal; SIGTERM for anything else.
int signal_number(std::string_view name);

}  // namespace slipway::local
