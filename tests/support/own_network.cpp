#include "support/own_network.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <filesystem>

#include "base/error.h"
#include "sys/process.h"

namespace slipway::test {

namespace {

void mount_over(const char* path) {
  std::filesystem::create_directories(path);
  if (::mount("tmpfs", path, "tmpfs", 0, nullptr) != 0)
    throw_errno(fmt::format("mount over `{}`", path), errno);
}

}  // namespace

OwnNetwork::OwnNetwork()
    : network_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)),
      mounts_(::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) throw_errno("make a network namespace", errno);
  // Shared among ourselves: what a node mounts is seen by its containers, and by nobody outside.
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_SHARED, nullptr) != 0)
    throw_errno("make the mounts private", errno);
  // Places that programs of a node write to whatever they are told.
  for (const char* path : {"/var/log/pods", "/var/log/containers", "/var/lib/cni", "/run/containerd"})
    mount_over(path);
  Command up;
  up.argv = {"ip", "link", "set", "lo", "up"};
  run_capture(up);
}

OwnNetwork::~OwnNetwork() {
  // A thread that cannot go back must not go on with what follows.
  if (::setns(network_.get(), CLONE_NEWNET) != 0 || ::setns(mounts_.get(), CLONE_NEWNS) != 0) std::abort();
}

}  // namespace slipway::test
