#include "spec/expression.h"

#include "base/error.h"
#include "base/suggest.h"

namespace slipway {

namespace {

bool is_dotted_name(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.'; });
}

// What an expression of the language that is not built would be; nullopt for one that is none.
std::optional<std::string_view> planned(std::string_view expression) {
  if (expression.starts_with("matrix.")) return "tests with several settings";
  if (expression.starts_with("inputs.")) return "inputs of a run; use `vars` and --var";
  for (const std::string_view sign : {"==", "!=", "&&", "||", "(", "<", ">"})
    if (expression.find(sign) != std::string_view::npos) return "comparisons and functions in expressions";
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\n") + 1 - from);
}

class Interpolation {
 public:
  Interpolation(const Known& known, Diagnostics& diagnostics) : known_(known), diagnostics_(diagnostics) {}

  NodePtr of(const NodePtr& node) {
    if (!node->has_expression) return node;
    if (const auto it = done_.find(node.get()); it != done_.end()) return it->second;
    auto out = std::make_shared<Node>(*node);
    for (auto& item : out->items) item = of(item);
    for (auto& member : out->members) member.value = of(member.value);
    if (out->is_scalar()) out->text = text(*node);
    recount(*out);
    done_[node.get()] = out;
    return out;
  }

 private:
  std::string text(const Node& node) {
    std::string out;
    try {
      for (const auto& part : split_expressions(node.text))
        out += part.expression ? value(part.text, node) : part.text;
    } catch (const Error& e) {
      diagnostics_.error(node.where, e.message(), e.hint());
      return node.text;
    }
    return out;
  }

  std::string value(const std::string& name, const Node& node) {
    if (name == "env.name") return known_.environment;
    if (name == "project.name") return known_.project;
    if (name.starts_with("vars.")) {
      const auto variable = name.substr(5);
      if (const auto it = known_.vars.find(variable); it != known_.vars.end()) return it->second;
      std::vector<std::string> names;
      for (const auto& [known, _] : known_.vars) names.push_back(known);
      diagnostics_.error(node.where, fmt::format("there is no variable `{}`", variable),
                         names.empty() ? "give it under `vars`, or with --var NAME=VALUE"
                                       : suggestion_hint(variable, names));
      return {};
    }
    for (auto room : {"images.", "sources.", "git."})
      if (name.starts_with(room) && is_dotted_name(name)) return "${{ " + name + " }}";
    if (const auto what = planned(name)) {
      diagnostics_.error(node.where, fmt::format("`{}` is not built yet: {}", name, *what),
                         "take it out: slipway does not ignore what it cannot do");
      return {};
    }
    diagnostics_.error(node.where, fmt::format("`{}` is no expression slipway knows", name),
                       "vars.NAME, env.name, project.name, images.NAME.ref, images.NAME.digest, git.sha, "
                       "git.sha_short, git.branch; what the shell shall see is `$NAME`");
    return {};
  }

  const Known& known_;
  Diagnostics& diagnostics_;
  std::unordered_map<const Node*, NodePtr> done_;
};

}  // namespace

std::vector<TextPart> split_expressions(std::string_view text) {
  std::vector<TextPart> parts;
  while (!text.empty()) {
    const auto open = text.find("${{");
    if (open == std::string_view::npos) {
      parts.push_back({std::string(text), false});
      break;
    }
    if (open > 0) parts.push_back({std::string(text.substr(0, open)), false});
    const auto close = text.find("}}", open);
    if (close == std::string_view::npos)
      throw Error(ExitCode::usage, "a `${{` without its `}}`").hint("write `${{ vars.NAME }}`");
    parts.push_back({std::string(trimmed(text.substr(open + 3, close - open - 3))), true});
    text.remove_prefix(close + 2);
  }
  return parts;
}

NodePtr interpolate(const NodePtr& node, const Known& known, Diagnostics& diagnostics) {
  return Interpolation(known, diagnostics).of(node);
}

}  // namespace slipway
