#include "oci/service_secrets.h"

namespace slipway::oci {

std::set<std::string> secrets_of(const nlohmann::json& services) {
  std::set<std::string> out;
  for (const auto& service : services)
    for (const char* key : {"secret_environment", "secret_files"})
      if (const auto names = service.find(key); names != service.end())
        for (const auto& name : *names) out.insert(name.get<std::string>());
  return out;
}

}  // namespace slipway::oci
