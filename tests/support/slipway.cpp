#include "support/slipway.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <thread>

#include "base/error.h"

namespace slipway::test {

User::User() : dir_(fs::temp_directory_path(), "slipway-test-") {
  fs::create_directories(dir() / "home");
  env["HOME"] = dir() / "home";
  env["SLIPWAY_CACHE_DIR"] = cache();
  env["SLIPWAY_STATE_DIR"] = state();
  env["NO_COLOR"] = "1";
  // Not a CI job of the outside, whatever runs this suite.
  for (const char* name : {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE"}) env[name] = "";
}

void User::share_cache() {
  const char* given = std::getenv("SLIPWAY_TEST_CACHE");
  env["SLIPWAY_CACHE_DIR"] = given && *given ? fs::path(given) : fs::path(SLIPWAY_BINARY_DIR) / "test-cache";
}

Command User::command(std::vector<std::string> args, const fs::path& cwd) const {
  Command command;
  command.argv = std::move(args);
  command.argv.insert(command.argv.begin(), slipway_binary());
  command.cwd = dir() / cwd;
  command.env = env;
  return command;
}

Ran User::slipway(std::vector<std::string> args, const fs::path& cwd, Millis limit) const {
  Ran ran;
  WaitOptions options;
  options.timeout = limit;
  const auto finished = run_process(
      command(std::move(args), cwd),
      [&](Stream stream, std::string_view text) { (stream == Stream::out ? ran.out : ran.err) += text; },
      options);
  INFO(ran.err);
  REQUIRE_FALSE(finished.timed_out);
  ran.code = finished.status.code;
  return ran;
}

void User::write(const fs::path& path, std::string_view content) const {
  fs::create_directories((dir() / path).parent_path());
  write_file_atomic(dir() / path, content);
}

fs::path slipway_binary() {
  if (const char* given = std::getenv("SLIPWAY_BINARY")) return given;
  return fs::path(SLIPWAY_BINARY_DIR) / "slipway";
}

bool eventually(const std::function<bool()>& done, Millis limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

int free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw_errno("find a free port", errno);
  return ntohs(address.sin_port);
}

}  // namespace slipway::test
