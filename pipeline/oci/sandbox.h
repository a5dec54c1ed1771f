// Running a command in a root file system through an OCI runtime (crun or runc, runtime-spec 1.0).
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/descriptor.h"
#include "sys/process.h"

namespace slipway::oci {

struct BindMount {
  std::string source, target;
  bool read_only = false;
};

struct SandboxSpec {
  fs::path root;  // mounted root file system
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
  bool insecure = false;    // all capabilities, no seccomp
  std::string cgroup_name;  // below our own cgroup when there is one
};

// The runtime, found by a probe that really runs /bin/true in a sandbox; the answer is cached by (program,
// version, kernel, uid) below cache_dir. Throws Error(unavailable) with each candidate's own complaint and
// the apt line.
class Runtime {
 public:
  static Runtime probe(const fs::path& cache_dir);
  const std::string& name() const { return name_; }  // "crun"
  const fs::path& program() const { return program_; }

  // Runs to the end; output in raw chunks. Cancel and timeout kill the whole PID namespace. Leaves nothing
  // behind.
  Finished run(const SandboxSpec& spec, const OnOutput& on_output, const WaitOptions& options = {}) const;

  // For those who manage the life of a container themselves (slipway-shim): writes DIR/config.json (the
  // bundle). The argv to run it in the foreground: `program … run --bundle DIR ID`.
  void write_bundle(const SandboxSpec& spec, const fs::path& dir) const;
  std::vector<std::string> run_argv(const fs::path& bundle, const std::string& id) const;
  std::vector<std::string> delete_argv(const std::string& id) const;  // `delete --force ID`
  std::vector<std::string> exec_argv(const std::string& id, const std::vector<std::string>& env,
                                     const std::vector<std::string>& args) const;
  // True when the runtime only works with a private cgroup mount: then every argv above must be run through
  // `unshare --mount` with that done; the argv functions already hold it.
 private:
  std::string name_;
  fs::path program_;
  fs::path state_root_;  // --root
  bool private_cgroup_ = false;
};

}  // namespace slipway::oci
