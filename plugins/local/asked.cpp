#include "plugins/local/asked.h"

#include "base/compact_json.h"
#include "sys/digest.h"

namespace slipway::local {

namespace {

// Raise it when plan_services makes something else of the same params.
constexpr int kVersion = 1;

}  // namespace

std::string asked_digest(const Invocation& invocation) {
  Hasher hasher;
  hasher.field(std::to_string(kVersion));
  hasher.field(compact_json(invocation.params));
  for (const auto& [name, secret] : invocation.secrets) hasher.field(name).field(secret.reveal());
  return hasher.finish().hex();
}

}  // namespace slipway::local
