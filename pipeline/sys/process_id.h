// A process that is meant and not another one that got its number later.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace slipway {

struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;  // ticks since boot: proc(5) stat, field 22
  bool operator==(const ProcessId&) const = default;
};

// 0 when there is no such process, or only what is left of one that nobody waited for.
std::uint64_t start_of(pid_t pid);
bool is_alive(const ProcessId& process);

}  // namespace slipway
