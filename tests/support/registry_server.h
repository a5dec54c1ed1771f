// A real registry (distribution 2.8, Debian's docker-registry) on 127.0.0.1, stopped with its owner.
#pragma once
#include <memory>
#include <string>

#include "support/slipway.h"

namespace slipway::test {

class RegistryServer {
 public:
  struct Options {
    std::string user, password;  // basic auth when not empty
    bool tls = false;            // with a certificate of its own: see ca_file()
    std::string token_realm;  // tokens from this login server (issuer "slipway", service "registry"), which
    fs::path token_certificate;  // signs them with the key of this certificate
  };
  RegistryServer() : RegistryServer(Options{}) {}
  explicit RegistryServer(const Options& options);  // returns when it answers; throws when it does not
  ~RegistryServer();
  std::string host() const;  // "127.0.0.1:PORT"
  fs::path ca_file() const;
  fs::path blob(const std::string& hex) const;         // the file that holds a blob's content
  fs::path repository(const std::string& name) const;  // the folder of its tags and manifests
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::test
