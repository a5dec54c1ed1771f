// Which secrets services are given, by their params (the map's "Service").
#pragma once
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace slipway::oci {

// The names in `secret_environment` and `secret_files` of all of `services` (name → Service).
std::set<std::string> secrets_of(const nlohmann::json& services);

}  // namespace slipway::oci
