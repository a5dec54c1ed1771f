// `${{ … }}`: dotted names, found in texts. What is known before the run is put in by interpolate(); the rest
// (`images.users.ref`, `git.sha`) stays for the planner.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "sys/yaml_node.h"

namespace slipway {

// A text in parts: literals and expressions by turns as they stand; "a-${{ vars.x }}" is {"a-", false},
// {"vars.x", true}.
struct TextPart {
  std::string text;
  bool expression = false;
};
// Throws Error(usage) when `${{` has no `}}`.
std::vector<TextPart> split_expressions(std::string_view text);

struct Known {
  std::map<std::string, std::string> vars;
  std::string environment, project;
};

// `node` with `vars.NAME`, `env.name` and `project.name` put in. What is no expression, and what names an
// unknown variable, is a mistake; `images.…`, `sources.…` and `git.…` stay.
NodePtr interpolate(const NodePtr& node, const Known& known, Diagnostics& diagnostics);

}  // namespace slipway
