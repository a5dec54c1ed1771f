#include "sys/process_id.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "sys/fd.h"

namespace slipway {

namespace {

// Empty when it ends before or while it is read (ESRCH).
std::string stat_of(pid_t pid) {
  const Fd fd(::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const auto size = fd ? ::read(fd.get(), buffer, sizeof buffer) : -1;
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : "";
}

}  // namespace

std::uint64_t start_of(pid_t pid) {
  const auto text = stat_of(pid);
  // The second field may hold anything, spaces and brackets too; fields are counted after its end.
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return 0;
  std::size_t at = bracket + 1;
  if (text.compare(at, 2, " Z") == 0) return 0;
  for (int field = 3; field <= 22; ++field) {
    at = text.find(' ', at);
    if (at == std::string::npos) return 0;
    ++at;
  }
  return std::stoull(text.substr(at));
}

bool is_alive(const ProcessId& process) {
  return process.pid > 0 && process.start != 0 && start_of(process.pid) == process.start;
}

}  // namespace slipway
