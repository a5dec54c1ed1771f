// A process that is meant and not another one that got its number later.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace slipway {

struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;  // ticks since boot: proc(5) stat, field 22
  bool operator==(const ProcessId&) const = default;
};

inline std::uint64_t start_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // The second field may hold anything, spaces and brackets too; fields are counted after its end.
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return 0;
  std::size_t at = bracket + 1;
  if (text.compare(at, 2, " Z") == 0) return 0;  // dead, not reaped yet
  for (int field = 3; field <= 22; ++field) {
    at = text.find(' ', at);
    if (at == std::string::npos) return 0;
    ++at;
  }
  return std::stoull(text.substr(at));
}

inline bool is_alive(const ProcessId& process) {
  return process.pid > 0 && process.start != 0 && start_of(process.pid) == process.start;
}

}  // namespace slipway
