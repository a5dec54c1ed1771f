// A Docker Engine of the test's own (Debian's docker.io), in namespaces of its own: its containers, mounts
// and networks end with it, whatever happens.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "sys/files.h"

namespace slipway::test {

class DockerEngine {
 public:
  // True when it can run here; else as have(): a failure in CI, a named skip elsewhere.
  static bool possible();
  // What this kernel has for swarms beside the plain overlay: found out by trying.
  static bool has_ipvs();
  static bool has_esp();

  struct Options {
    bool tls = false;  // listens on tcp 127.0.0.1 too, with certificates in certificates()
    // A second machine: joined to this engine's network by a cable, with an address in 10.231.0.0/24 for
    // each, and this machine's 127.0.0.1:`shared_port` answers on its own 127.0.0.1.
    const DockerEngine* beside = nullptr;
    int shared_port = 0;
  };
  // Ready when it returns. Its network is that of the calling thread (OwnNetwork), unless `beside`.
  DockerEngine() : DockerEngine(Options{}) {}
  explicit DockerEngine(const Options& options);
  ~DockerEngine();

  std::string host() const;  // "unix:///…"
  std::string tcp() const;   // "tcp://127.0.0.1:PORT"
  fs::path certificates() const;
  fs::path socket() const;
  std::string address() const;  // seen from the other machine
  // The docker command's stdout, for looking from outside; throws when it fails.
  std::string docker(std::vector<std::string> args) const;
  void init_swarm() const;
  void join_swarm_of(const DockerEngine& manager) const;
  // The address of a proxy before the API that breaks what `rules` say (docker/fault_proxy.py), from now on.
  std::string break_by(const std::string& rules) const;
  void stop();  // at once, as a machine that lost its power
  void freeze(bool on) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::test
