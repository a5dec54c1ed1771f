// The system calls that a sandboxed command may use.
#pragma once
#include <nlohmann/json.hpp>

namespace slipway::oci {

// The `linux.seccomp` member of a runtime-spec config for commands with the default capabilities. A call on
// no list answers ENOSYS, as a kernel that is too old would, so that a C library falls back; one that needs
// more privilege than a build has answers EPERM.
nlohmann::json seccomp_profile();

}  // namespace slipway::oci
