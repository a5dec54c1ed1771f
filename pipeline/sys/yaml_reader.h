// YAML to nodes and back: yaml-cpp parses, we keep the places and refuse what it lets through (duplicate
// keys, cyclic aliases, endless expansion, several documents).
#pragma once
#include <string>

#include "base/diagnostics.h"
#include "sys/yaml_node.h"

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

// Every document of a stream, empty ones left out; the limits are of all together.
std::vector<NodePtr> read_yaml_stream(const std::string& text, const std::string& file,
                                      Diagnostics& diagnostics, const YamlLimits& limits = {});

// A document (YAML 1.2 core schema, block style, keys in the order of `value`); texts that would read as
// something else are quoted. Ends in a newline.
std::string write_yaml(const nlohmann::ordered_json& value);

}  // namespace slipway
