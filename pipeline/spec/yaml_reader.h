// YAML to nodes: yaml-cpp parses, we keep the places and refuse what it lets through (duplicate keys, cyclic
// aliases, endless expansion, several documents).
#pragma once
#include <string>

#include "base/diagnostics.h"
#include "spec/node.h"

namespace slipway {

struct YamlLimits {
  std::size_t bytes = 16u << 20;
  std::size_t nodes = 1'000'000;  // after aliases are expanded
  int depth = 100;
};

// The one document of `text`; mistakes go to `diagnostics` (which is given the text for its code frames), and
// null comes back when there is no tree at all. `file` is the name the user knows it by.
NodePtr read_yaml(const std::string& text, const std::string& file, Diagnostics& diagnostics,
                  const YamlLimits& limits = {});

}  // namespace slipway
