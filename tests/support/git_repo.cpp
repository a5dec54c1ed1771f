#include "support/git_repo.h"

#include "sys/files.h"
#include "sys/process.h"

namespace slipway::test {

std::map<std::string, std::string> git_env(const fs::path& home) {
  return {{"HOME", home},
          {"GIT_CONFIG_NOSYSTEM", "1"},
          {"GIT_TERMINAL_PROMPT", "0"},
          {"GIT_AUTHOR_NAME", "A"},
          {"GIT_AUTHOR_EMAIL", "a@example.com"},
          {"GIT_COMMITTER_NAME", "A"},
          {"GIT_COMMITTER_EMAIL", "a@example.com"}};
}

GitRepo::GitRepo(fs::path dir) : dir_(std::move(dir)) {
  make_dirs(dir_);
  git({"init", "-q", "-b", "main"});
}

std::string GitRepo::git(std::vector<std::string> args) const {
  Command command;
  command.argv = std::move(args);
  command.argv.insert(command.argv.begin(), {"git", "-c", "protocol.file.allow=always"});
  command.cwd = dir_;
  command.env = git_env("/nonexistent");
  auto text = run_capture(command);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

void GitRepo::write(const fs::path& path, std::string_view content) const {
  make_dirs((dir_ / path).parent_path());
  write_file_atomic(dir_ / path, content);
}

std::string GitRepo::commit(const std::string& message) const {
  git({"add", "-A"});
  git({"commit", "-q", "--allow-empty", "-m", message});
  return git({"rev-parse", "HEAD"});
}

}  // namespace slipway::test
