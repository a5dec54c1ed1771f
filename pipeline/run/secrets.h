// Secrets of one run: resolved when a step that names them starts, at most once, and masked from then on.
#pragma once
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/secret.h"
#include "plan/plan.h"

namespace slipway {

// Reads one source now. Throws Error(usage) naming the secret when the variable, file or command gives
// nothing, never with the value.
Secret resolve_secret(const std::string& name, const SecretSource& source,
                      const std::filesystem::path& project_dir, std::stop_token stop = {});

// Any thread.
class Secrets {
 public:
  explicit Secrets(const Plan& plan) : sources_(plan.secrets), project_dir_(plan.project_dir) {}
  // Resolves at the first call and adds the value to the masker before it returns.
  Secret get(const std::string& name, std::stop_token stop);
  const Masker& masker() const { return masker_; }

 private:
  std::map<std::string, SecretSource> sources_;
  std::filesystem::path project_dir_;
  Masker masker_;
  std::mutex mutex_;
  std::map<std::string, Secret> values_;  // guarded by mutex_
};

// Every string in `value` (names of members too) masked.
json mask_json(const Masker& masker, const json& value);

}  // namespace slipway
