// A git repository that a test fills by the git program, in isolation from the configuration of this machine.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace slipway::test {

class GitRepo {
 public:
  explicit GitRepo(std::filesystem::path dir);  // git init, branch main
  const std::filesystem::path& dir() const { return dir_; }
  // Runs `git ARGS…` in it; trimmed stdout; a failure fails the test.
  std::string git(std::vector<std::string> args) const;
  void write(const std::filesystem::path& path, std::string_view content) const;
  std::string commit(const std::string& message = "change") const;  // everything; its id

 private:
  std::filesystem::path dir_;
};

// The environment that keeps git from this machine's configuration, with `home` as HOME.
std::map<std::string, std::string> git_env(const std::filesystem::path& home);

}  // namespace slipway::test
