// Real git servers on 127.0.0.1 for the repositories below a folder; each stops with its owner.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "support/slipway.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::test {

bool listens(int port);  // on 127.0.0.1

class GitServer {
 public:
  // `git daemon`: git://127.0.0.1:PORT/NAME
  static GitServer daemon(const fs::path& repositories);
  // nginx and fcgiwrap with git http-backend: http(s)://127.0.0.1:PORT/NAME; /private/NAME wants
  // alice:wonderland.
  static GitServer http(const fs::path& repositories, bool tls = false);
  // sshd that lets in whoever has the key: ssh://127.0.0.1:PORT/FOLDER/NAME
  static GitServer ssh(const fs::path& repositories);

  GitServer(GitServer&&) = default;
  ~GitServer();
  std::string url(const std::string& name) const { return base_ + "/" + name; }
  int port() const { return port_; }
  const fs::path& dir() const { return dir_->path(); }
  fs::path user_key() const { return dir() / "user_key"; }     // ssh: the private key that is let in
  fs::path certificate() const { return dir() / "cert.pem"; }  // https: also its own authority
  std::string known_hosts_line() const;                        // ssh: the right one
  void stop();

 private:
  GitServer(const std::string& scheme, const fs::path& repositories);
  void start(std::vector<std::string> argv, std::map<std::string, std::string> env = {});
  void wait_until_up() const;

  std::unique_ptr<TempDir> dir_;
  int port_;
  std::string base_;
  std::vector<std::unique_ptr<Child>> children_;
};

}  // namespace slipway::test
