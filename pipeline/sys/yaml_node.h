// The user's YAML as a tree of our own: every key and value knows its place. Anchors are shared, not copied.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/location.h"

namespace slipway {

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Member {
  std::string key;
  Location where;  // of the key
  NodePtr value;   // never null
};

struct Node {
  enum class Kind { null, scalar, sequence, mapping };
  Kind kind = Kind::null;
  std::string text;    // of a scalar
  bool plain = false;  // a scalar without quotes: `1` and `true` are no texts then
  Location where;
  std::vector<NodePtr> items;   // of a sequence
  std::vector<Member> members;  // of a mapping, in the user's order, keys unique
  std::size_t weight = 1;       // nodes below and with this one, aliases counted as often as they stand
  int depth = 1;
  bool has_expression = false;  // a `${{` stands somewhere in it

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_mapping() const { return kind == Kind::mapping; }
  const Member* find(std::string_view key) const;

  // YAML 1.2 core schema, plain scalars only: true/True/TRUE…; [-+]?[0-9]+, 0o…, 0x….
  std::optional<bool> as_bool() const;
  std::optional<std::int64_t> as_int() const;
  // "a mapping", "a list", "`many`", "nothing": for messages.
  std::string describe() const;
};

// Recounts weight, depth and has_expression from the children.
void recount(Node& node);

// A mapping with the members of `base`, replaced and added to by those of `over`; where both are mappings, so
// on below.
NodePtr merged(const NodePtr& base, const NodePtr& over);

// Untyped, for plugin params: plain scalars by the core schema, quoted ones as strings.
nlohmann::json to_json(const Node& node);

}  // namespace slipway
