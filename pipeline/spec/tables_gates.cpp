// Tables of what stands before a rollout, and of what happens when it fails.
#include "spec/rows.h"
#include "spec/tables.h"

namespace slipway {

const Table<Requirement>& requirement_table() {
  static const Table<Requirement> table = {
      "requirement",
      "The rollout begins only when the images that it brings serve, healthy, in another environment.",
      {row::required(row::text("environment", &Requirement::environment, "the other environment")),
       row::duration("for", &Requirement::lasting,
                     "how long the release there has to be good (default: it is good now)")}};
  return table;
}

const Table<Approval>& approval_table() {
  static const Table<Approval> table = {
      "approval",
      "The rollout waits until somebody agrees: at the terminal, by --yes, or by `slipway approve`.",
      {row::texts("by", &Approval::by, "users and groups of this machine who may (default: anybody)", true),
       row::duration("timeout", &Approval::timeout, "how long it waits (default 24h)")}};
  return table;
}

namespace {

nlohmann::json definition(const std::string& title) {
  return {{"$ref", "#/definitions/" + title}};
}

void read_requirements(Environment& into, const Node& node, Diagnostics& diagnostics) {
  const auto add = [&](const Node& one) {
    Requirement requirement;
    requirement.where = one.where;
    requirement_table().read(requirement, one, diagnostics);
    if (!requirement.environment.empty()) into.requirements.push_back(std::move(requirement));
  };
  if (!node.is_sequence()) return add(node);
  for (const auto& item : node.items) add(*item);
}

void read_approval(Environment& into, const Node& node, Diagnostics& diagnostics) {
  Approval approval;
  approval.where = node.where;
  if (!node.is_null()) approval_table().read(approval, node, diagnostics);
  if (const auto* by = node.is_mapping() ? node.find("by") : nullptr;
      by && by->value->is_sequence() && by->value->items.empty())
    diagnostics.error(by->value->where, "nobody is in this list", "leave `by` out and anybody may approve");
  if (approval.timeout <= Millis(0) && node.is_mapping() && node.find("timeout"))
    diagnostics.error(node.find("timeout")->value->where, "an approval needs some time");
  into.approval = std::move(approval);
}

void read_queue(Environment& into, const Node& node, Diagnostics& diagnostics) {
  static const Table<Environment> table = {
      "`concurrency`",
      "",
      {row::required(row::custom<Environment>("group", "a name: rollouts of one group take turns", {},
                                              [](Environment& e, const Node& n, Diagnostics& d) {
                                                if (!n.is_scalar())
                                                  d.error(n.where, "the name of a group is a text");
                                                else if (read::name({n.text, n.where, nullptr}, "group", d))
                                                  e.queue = {n.text, n.where};
                                              })),
       row::custom<Environment>("queue", "", {}, [](Environment&, const Node& n, Diagnostics& d) {
         const auto word = read::text(n, d);
         if (word && *word != "all")
           d.error(n.where, fmt::format("`{}` is no way to queue", *word),
                   "only `all`: every rollout gets its turn, none is dropped for a newer one");
       })}};
  table.read(into, node, diagnostics);
}

// What targets do anyway, and may be written down; anything else would be a promise that is not kept.
void read_rollback(Environment& into, const Node& node, Diagnostics& diagnostics) {
  static const Table<Environment> table = {
      "`rollback`",
      "",
      {row::custom<Environment>(
           "on", "", {},
           [](Environment&, const Node& n, Diagnostics& d) {
             std::set<std::string> words;
             for (const auto& word : read::texts(n, d)) {
               if (word.text == "verify")
                 d.error(word.where, "`verify` is not built yet: checks after the rollout",
                         "take it out: slipway does not ignore what it cannot do");
               else if (word.text != "unhealthy" && word.text != "timeout")
                 d.error(word.where, fmt::format("`{}` is no reason to go back", word.text),
                         "`unhealthy` and `timeout`");
               words.insert(word.text);
             }
             if (n.is_sequence() && !(words.contains("unhealthy") && words.contains("timeout")))
               d.error(n.where, "a release goes back when it is unhealthy and when it takes too long: both",
                       "write `on: [unhealthy, timeout]`, or leave it out");
           }),
       row::custom<Environment>("scope", "", {}, [](Environment&, const Node& n, Diagnostics& d) {
         const auto word = read::text(n, d);
         if (word && *word != "release")
           d.error(n.where,
                   fmt::format("`{}` is no scope: all services of a release go back together", *word),
                   "write `scope: release`, or leave it out");
       })}};
  table.read(into, node, diagnostics);
}

}  // namespace

std::vector<Key<Environment>> gate_keys() {
  const auto requirement = definition("requirement");
  return {
      row::custom<Environment>(
          "requires", "what has to serve elsewhere before this rollout begins; one, or a list",
          {{"anyOf", {requirement, schema_of::list_of(requirement)}}}, read_requirements),
      row::custom<Environment>("approval", "who has to agree before this rollout begins",
                               definition("approval"), read_approval),
      row::custom<Environment>(
          "concurrency", "{group: NAME}: rollouts of one group on this machine take turns, none is dropped",
          {{"type", "object"},
           {"properties", {{"group", schema_of::text()}, {"queue", schema_of::one_of({"all"})}}},
           {"required", {"group"}},
           {"additionalProperties", false}},
          read_queue),
      row::custom<Environment>(
          "rollback", "{on: [unhealthy, timeout], scope: release}: what happens anyway, to be written down",
          {{"type", "object"},
           {"properties",
            {{"on", schema_of::list_of(schema_of::one_of({"unhealthy", "timeout"}))},
             {"scope", schema_of::one_of({"release"})}}},
           {"additionalProperties", false}},
          read_rollback)};
}

}  // namespace slipway
