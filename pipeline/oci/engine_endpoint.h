// Where a Docker Engine listens: as told, as DOCKER_HOST says, or as docker's own contexts do.
#pragma once
#include <filesystem>
#include <map>
#include <string>

namespace slipway::oci {

namespace fs = std::filesystem;

struct EngineTls {
  fs::path ca, cert, key;  // PEM files; with any of them tcp:// is TLS
  bool empty() const { return ca.empty() && cert.empty() && key.empty(); }
};

struct EngineEndpoint {
  std::string host;  // "unix:///var/run/docker.sock" "tcp://10.0.0.5:2376" "ssh://me@build.example.com"
  EngineTls tls;
  bool verify = true;            // the server's certificate
  std::string describe() const;  // "Docker Engine at HOST"
};

// `host` and `tls` when given; else the context of that name; else $DOCKER_HOST (with $DOCKER_TLS_VERIFY and
// $DOCKER_CERT_PATH), $DOCKER_CONTEXT, docker's current context, the usual socket. Throws Error(usage).
struct EngineChoice {
  std::string host, context;
  EngineTls tls;
};
EngineEndpoint find_engine(const EngineChoice& choice);

// The parts of "ssh://user@host:port/path/of/socket". Throws Error(usage) for anything that ssh could take
// for an option.
struct SshPlace {
  std::string user, host, port, socket;
};
SshPlace parse_ssh(const std::string& url);

}  // namespace slipway::oci
