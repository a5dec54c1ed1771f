#include "sys/yaml_node.h"

#include <charconv>

namespace slipway {

const Member* Node::find(std::string_view key) const {
  for (const auto& member : members)
    if (member.key == key) return &member;
  return nullptr;
}

std::optional<bool> Node::as_bool() const {
  if (!is_scalar() || !plain) return std::nullopt;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::optional<std::int64_t> Node::as_int() const {
  if (!is_scalar() || !plain) return std::nullopt;
  std::string_view digits = text;
  int base = 10;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+'))
    digits.remove_prefix(1);
  else if (digits.starts_with("0o"))
    base = 8, digits.remove_prefix(2);
  else if (digits.starts_with("0x"))
    base = 16, digits.remove_prefix(2);
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || digits[0] == '-' || problem != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return negative ? -value : value;
}

std::string Node::describe() const {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::sequence:
      return "a list";
    case Kind::mapping:
      return "a mapping";
    case Kind::scalar:
      break;
  }
  constexpr std::size_t kShown = 60;
  auto shown = text.substr(0, kShown);
  for (auto& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return fmt::format("`{}{}`", shown, text.size() > kShown ? "…" : "");
}

void recount(Node& node) {
  node.weight = 1;
  node.depth = 1;
  node.has_expression = node.is_scalar() && node.text.find("${{") != std::string::npos;
  const auto add = [&](const Node& child) {
    node.weight += child.weight;
    node.depth = std::max(node.depth, child.depth + 1);
    node.has_expression |= child.has_expression;
  };
  for (const auto& item : node.items) add(*item);
  for (const auto& member : node.members) add(*member.value);
}

NodePtr merged(const NodePtr& base, const NodePtr& over) {
  if (!base->is_mapping() || !over->is_mapping()) return over;
  auto out = std::make_shared<Node>(*base);
  out->where = over->where;
  for (const auto& member : over->members) {
    auto it = std::find_if(out->members.begin(), out->members.end(),
                           [&](const Member& m) { return m.key == member.key; });
    if (it == out->members.end())
      out->members.push_back(member);
    else
      *it = {member.key, member.where, merged(it->value, member.value)};
  }
  recount(*out);
  return out;
}

nlohmann::json to_json(const Node& node) {
  using json = nlohmann::json;
  switch (node.kind) {
    case Node::Kind::null:
      return nullptr;
    case Node::Kind::sequence: {
      json out = json::array();
      for (const auto& item : node.items) out.push_back(to_json(*item));
      return out;
    }
    case Node::Kind::mapping: {
      json out = json::object();
      for (const auto& member : node.members) out[member.key] = to_json(*member.value);
      return out;
    }
    case Node::Kind::scalar:
      break;
  }
  if (auto flag = node.as_bool()) return *flag;
  if (auto number = node.as_int()) return *number;
  if (node.plain && !node.text.empty() &&
      node.text.find_first_not_of("0123456789.eE+-") == std::string::npos) {
    double value = 0;
    const auto [end, problem] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
    if (problem == std::errc() && end == node.text.data() + node.text.size()) return value;
  }
  return node.text;
}

}  // namespace slipway
