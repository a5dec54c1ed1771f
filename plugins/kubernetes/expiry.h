// When the credentials of a connection end, as far as they tell it themselves.
#pragma once
#include <cstdint>
#include <string>

#include "plugins/kubernetes/kubeconfig.h"

namespace slipway::kubernetes {

// Microseconds since the epoch; 0 when it is not told.
std::int64_t end_of_certificate(const std::string& pem);  // the first of `pem`: its notAfter
std::int64_t end_of_token(const std::string& token);      // of a JSON Web Token: its `exp` (RFC 7519)

// "its client certificate ended on 2026-01-01T00:00:00Z"; "" when nothing that is known has ended by `now`.
std::string expired(const Connection& connection, std::int64_t now);

}  // namespace slipway::kubernetes
