#include "oci/engine_tunnel.h"

#include <poll.h>
#include <unistd.h>

#include "base/error.h"

namespace slipway::oci {

namespace {

constexpr Millis kLimit{30'000}, kLook{20};

// No question is asked on the way: keys and known hosts must be in order, as with docker's own ssh hosts.
Command ssh_command(const SshPlace& place, const fs::path& socket) {
  require_program("ssh");
  Command command;
  command.argv = {"ssh", "-nNT",
                  "-o",  "BatchMode=yes",
                  "-o",  "ExitOnForwardFailure=yes",
                  "-o",  "ConnectTimeout=15",
                  "-o",  "ServerAliveInterval=15",
                  "-L",  socket.string() + ":" + place.socket};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) command.argv.insert(command.argv.end(), {flag, value});
  };
  add("-l", place.user);
  add("-p", place.port);
  command.argv.insert(command.argv.end(), {"--", place.host});
  return command;
}

// What it has said until now.
std::string said_by(const Child& child) {
  std::string out;
  pollfd fd{child.err(), POLLIN, 0};
  char buffer[4096];
  while (::poll(&fd, 1, 0) > 0) {
    const auto n = ::read(child.err(), buffer, sizeof buffer);
    if (n <= 0) break;
    out.append(buffer, static_cast<std::size_t>(n));
  }
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  return out;
}

}  // namespace

EngineTunnel::EngineTunnel(const SshPlace& place, const std::stop_token& stop)
    : dir_(fs::temp_directory_path(), "slipway-engine-"), ssh_(ssh_command(place, socket())) {
  const auto until = std::chrono::steady_clock::now() + kLimit;
  std::error_code ec;
  while (!fs::exists(socket(), ec)) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
    const auto ended = ssh_.wait_for(kLook);
    if (ended || std::chrono::steady_clock::now() > until) {
      auto said = said_by(ssh_);
      const bool login = said.find("ermission denied") != std::string::npos ||
                         said.find("verification failed") != std::string::npos;
      throw Error(login ? ExitCode::auth : ExitCode::unavailable,
                  fmt::format("ssh does not reach the Docker Engine of `{}`{}", place.host,
                              ended ? ": " + ended->str() : " in time"))
          .detail(said)
          .hint(fmt::format("`ssh {}{} docker version` must work without a question",
                            place.user.empty() ? "" : place.user + "@", place.host));
    }
  }
}

}  // namespace slipway::oci
