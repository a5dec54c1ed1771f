// Running a command in a root file system through an OCI runtime (crun or runc, runtime-spec 1.0).
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.h"
#include "oci/overlay.h"
#include "sys/process.h"

namespace slipway::oci {

// Where commands are looked for when the environment has no PATH (Docker's own default).
inline constexpr std::string_view default_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct BindMount {
  std::string source, target;
  bool read_only = false;
};

struct SandboxSpec {
  fs::path root;  // mounted root file system
  // Instead of `root`, for Runtime::run only: mounted where nobody else sees it, gone with the command.
  // Places that mounts need (/dev, /etc/resolv.conf) come from a layer below all, so that the upper holds
  // only what the command wrote.
  std::optional<Overlay> overlay;
  bool read_only_root = false;
  std::vector<std::string> args;  // looked up in PATH of `env` inside the root
  std::vector<std::string> env;   // "K=V"
  std::string cwd = "/";
  std::string user;  // "", "name", "1000", "1000:1000", "name:group": read in root's passwd/group
  std::string hostname;
  std::vector<BindMount> mounts;
  std::vector<std::string> tmpfs;  // targets
  std::map<std::string, std::string>
      hosts;  // name → address for /etc/hosts; empty and host network: the host's file
  enum class Network { host, none, path } network = Network::host;
  fs::path netns;                  // for Network::path: "/run/netns/x"
  std::uint64_t memory_bytes = 0;  // limits; 0: none; ignored (and logged) where cgroups are not ours
  double cpus = 0;
  bool insecure = false;    // all capabilities, no seccomp, devices
  std::string cgroup_name;  // below our own cgroup when there is one
};

// The runtime, found by a probe that really runs /bin/true in a sandbox; the answer is cached by (program,
// kernel, uid) below cache_dir. Throws Error(unavailable) with each candidate's own complaint and the apt
// line.
class Runtime {
 public:
  static Runtime probe(const fs::path& cache_dir);
  const std::string& name() const { return name_; }  // "crun"
  const fs::path& program() const { return program_; }

  // Runs to the end; output in raw chunks, on a thread of its own while the caller waits. Cancel and timeout
  // kill the whole PID namespace, as does our own death. Leaves nothing behind. A program that is not in the
  // root is exit 127 and a line on the error stream; a sandbox that cannot be made is Error(unavailable). Any
  // thread.
  Finished run(const SandboxSpec& spec, const OnOutput& on_output, const WaitOptions& options = {}) const;

  // For those who manage the life of a container themselves (slipway-shim): writes DIR/config.json (the
  // bundle) and the files it mounts, DIR/hosts and DIR/resolv.conf. The argv to run it in the foreground:
  // `program … run --bundle DIR ID`. Where the runtime needs a private cgroup mount the argv holds the
  // `unshare --mount` that makes it.
  void write_bundle(const SandboxSpec& spec, const fs::path& dir) const;
  std::vector<std::string> run_argv(const fs::path& bundle, const std::string& id) const;
  std::vector<std::string> delete_argv(const std::string& id) const;  // `delete --force ID`
  // `env` is the whole environment (crun takes it so; runc adds the container's own); a PATH is added when it
  // has none.
  std::vector<std::string> exec_argv(const std::string& id, const std::vector<std::string>& env,
                                     const std::vector<std::string>& args) const;
  // The same with all of it in a file (the `process` of a bundle's config.json): secrets stay out of argv. To
  // be run in the mount namespace of the process that run_argv() became.
  std::vector<std::string> exec_file_argv(const std::string& id, const fs::path& process) const;

 private:
  friend class RuntimeProbe;
  std::vector<std::string> argv(const fs::path& state_root) const;
  void forget(const fs::path& state_root, const std::string& id) const;
  std::vector<std::string> outside(std::vector<std::string> argv) const;  // with the private cgroup mount

  std::string name_;
  fs::path program_;
  fs::path state_root_;  // --root
  fs::path cache_dir_;
  bool private_cgroup_ = false;
};

}  // namespace slipway::oci
