// From a file to a Spec: read, choose the environment, put in what is known, type, check the references.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "base/diagnostics.h"
#include "spec/spec.h"

namespace slipway {

struct LoadOptions {
  std::string environment;                  // empty: `local`, else the only one, else none
  std::map<std::string, std::string> vars;  // win over the file's
};

// The spec that a command in `cwd` works on: `given` when not empty, else slipway.yaml or slipway.yml there
// or in a folder above. Throws Error(usage) with what to do next.
std::filesystem::path find_spec(const std::string& given, const std::filesystem::path& cwd);
// slipway.yaml or slipway.yml in `cwd` or the nearest folder above that has one.
std::optional<std::filesystem::path> spec_above(const std::filesystem::path& cwd);

// Throws Error(usage) with all mistakes at once, each with its place.
Spec load_spec(const std::filesystem::path& file, const LoadOptions& options = {});

// The same from a text; mistakes are left in `diagnostics` (then the Spec is not to be used).
Spec parse_spec(const std::string& text, const std::string& name, const LoadOptions& options,
                Diagnostics& diagnostics);

}  // namespace slipway
