// Tables of how new versions take the place of old ones: rolling, recreate, blue-green, canary.
#include <cmath>

#include "spec/rows.h"
#include "spec/tables.h"

namespace slipway {

namespace {

const std::vector<std::string>& kinds() {
  static const std::vector<std::string> all = {"rolling", "recreate", "blue_green", "canary"};
  return all;
}

bool is_kind(const std::string& word) {
  return std::find(kinds().begin(), kinds().end(), word) != kinds().end();
}

// "25%" or "2".
template <typename T>
Key<T> amount(std::string name, std::string T::*member, std::string summary) {
  return row::custom<T>(std::move(name), std::move(summary), {{"type", {"integer", "string"}}},
                        [member](T& into, const Node& node, Diagnostics& d) {
                          const auto text = node.is_scalar() ? node.text : std::string();
                          const auto digits = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
                          if (digits.empty() || digits.size() > 4 ||
                              digits.find_first_not_of("0123456789") != std::string::npos)
                            d.error(node.where,
                                    fmt::format("this must be a number of pods, not {}", node.describe()),
                                    "write `1` or `25%`");
                          else
                            into.*member = text;
                        });
}

template <typename T>
Key<T> threshold(std::string name, std::optional<double> T::*member, std::string summary) {
  return row::custom<T>(std::move(name), std::move(summary), {{"type", "number"}},
                        [member](T& into, const Node& node, Diagnostics& d) {
                          char* end = nullptr;
                          const double value = node.is_scalar() ? std::strtod(node.text.c_str(), &end) : 0;
                          if (!end || *end != '\0' || end == node.text.c_str() || !std::isfinite(value))
                            d.error(node.where,
                                    fmt::format("this must be a number, not {}", node.describe()));
                          else
                            into.*member = value;
                        });
}

void read_checks(std::vector<ReleaseCheck>& into, const Node& node, Diagnostics& d) {
  if (!node.is_sequence()) {
    d.error(node.where, fmt::format("this must be a list of checks, not {}", node.describe()));
    return;
  }
  for (const auto& item : node.items) {
    ReleaseCheck check;
    check.where = item->where;
    release_check_table().read(check, *item, d);
    const int kind = !check.http.empty() + !check.prometheus.empty() + !check.command.empty();
    if (item->is_mapping() && kind != 1)
      d.error(item->where, "a check has exactly one of `http`, `prometheus` and `command`");
    if (!check.prometheus.empty() && !check.above && !check.below)
      d.error(item->where, "a query needs `above` or `below`: what is bad", "such as `above: 0.02`");
    if (check.prometheus.empty() && (check.above || check.below))
      d.error(item->where, "`above` and `below` are of a `prometheus` query");
    into.push_back(std::move(check));
  }
}

template <typename T>
Key<T> checks(std::string name, std::string summary) {
  return row::custom<T>(std::move(name), std::move(summary),
                        schema_of::list_of({{"$ref", "#/definitions/check"}}),
                        [](T& into, const Node& node, Diagnostics& d) { read_checks(into.checks, node, d); });
}

std::optional<int> percentage(const Node& node, Diagnostics& d) {
  auto text = node.is_scalar() ? node.text : std::string();
  if (text.ends_with('%')) text.pop_back();
  const bool digits =
      !text.empty() && text.size() < 4 && text.find_first_not_of("0123456789") == std::string::npos;
  const int value = digits ? std::atoi(text.c_str()) : 0;
  if (value >= 1 && value <= 100) return value;
  d.error(node.where, fmt::format("a weight is a percentage from 1% to 100%, not {}", node.describe()));
  return std::nullopt;
}

const Table<CanaryStep>& canary_step_table() {
  static const Table<CanaryStep> table = {
      "canary step",
      "A share of the requests, and how long it is watched.",
      {
          row::required(row::custom<CanaryStep>("weight",
                                                "percentage of the requests that the new version gets",
                                                {{"type", {"integer", "string"}}},
                                                [](CanaryStep& into, const Node& node, Diagnostics& d) {
                                                  if (const auto value = percentage(node, d))
                                                    into.weight = *value;
                                                })),
          row::custom<CanaryStep>("hold", "how long it is watched, or `manual`: until `slipway promote`",
                                  schema_of::text(),
                                  [](CanaryStep& into, const Node& node, Diagnostics& d) {
                                    if (node.is_scalar() && node.text == "manual")
                                      into.manual = true;
                                    else if (const auto time = read::duration(node, d))
                                      into.hold = *time;
                                  }),
      }};
  return table;
}

void read_steps(Strategy& into, const Node& node, Diagnostics& d) {
  if (!node.is_sequence() || node.items.empty()) {
    d.error(node.where, fmt::format("this must be a list of steps, not {}", node.describe()),
            "such as `[{weight: 10%, hold: 5m}, {weight: 50%, hold: 5m}]`");
    return;
  }
  for (const auto& item : node.items) {
    CanaryStep step;
    step.where = item->where;
    canary_step_table().read(step, *item, d);
    if (!into.steps.empty() && step.weight && step.weight <= into.steps.back().weight)
      d.error(item->where, fmt::format("the weights of a canary grow: {}% comes after {}%", step.weight,
                                       into.steps.back().weight));
    into.steps.push_back(std::move(step));
  }
}

const Table<Strategy>& table_of(const std::string& kind) {
  static const Table<Strategy> recreate = {"recreate", "The old pods end before the new ones start.", {}};
  if (kind == "blue_green") return blue_green_table();
  if (kind == "canary") return canary_table();
  return kind == "recreate" ? recreate : rolling_table();
}

// `rolling`, or {canary: {…}}.
std::optional<Strategy> read_strategy(const Node& node, Diagnostics& d) {
  Strategy out;
  out.where = node.where;
  if (node.is_scalar()) {
    const auto word = read::one_of(node, d, kinds());
    if (!word) return std::nullopt;
    out.kind = *word;
    if (out.kind == "canary")
      d.error(node.where, "a canary needs its steps",
              "such as `{canary: {steps: [{weight: 10%, hold: 5m}]}}`");
    return out;
  }
  if (!node.is_mapping() || node.members.size() != 1) {
    d.error(node.where,
            fmt::format("a strategy is one of `rolling`, `recreate`, `blue_green` and `canary`, not {}",
                        node.describe()));
    return std::nullopt;
  }
  const auto& member = node.members[0];
  if (!is_kind(member.key)) {
    d.error(member.where, fmt::format("there is no strategy `{}`", member.key),
            suggestion_hint(member.key, kinds()));
    return std::nullopt;
  }
  out.kind = member.key;
  if (!member.value->is_null()) table_of(out.kind).read(out, *member.value, d);
  return out;
}

nlohmann::json schema_of_one() {
  nlohmann::json words = schema_of::one_of({"rolling", "recreate", "blue_green"});
  return {{"anyOf",
           {words,
            {{"type", "object"},
             {"properties",
              {{"rolling", rolling_table().schema()},
               {"recreate", {{"type", {"object", "null"}}}},
               {"blue_green", blue_green_table().schema()},
               {"canary", canary_table().schema()}}},
             {"minProperties", 1},
             {"maxProperties", 1},
             {"additionalProperties", false}}}}};
}

}  // namespace

const Table<ReleaseCheck>& release_check_table() {
  static const Table<ReleaseCheck> table = {
      "check",
      "A question about a new version; no answer is no success: the rollout pauses.",
      {
          row::text(
              "http", &ReleaseCheck::http,
              "a path that each new pod answers with 2xx or 3xx (`/up`, `http://{{canary}}/up`), or a URL"),
          row::text("prometheus", &ReleaseCheck::prometheus,
                    "a query; `{{canary}}` is the new workload's name"),
          row::text("server", &ReleaseCheck::server,
                    "URL of the Prometheus server (default: `prometheus` of the target)"),
          row::strings("command", &ReleaseCheck::command,
                       "program and arguments: exit 0 is good, 75 means it cannot tell, all others are bad"),
          threshold<ReleaseCheck>("above", &ReleaseCheck::above, "a value above it is bad"),
          threshold<ReleaseCheck>("below", &ReleaseCheck::below, "a value below it is bad"),
          row::number("failures", &ReleaseCheck::failures, 1, 1'000,
                      "bad answers in a row that end the rollout (default: 3 of http, else 1)"),
          row::duration("interval", &ReleaseCheck::interval, "between two questions (default 10s)"),
      }};
  return table;
}

const Table<Strategy>& rolling_table() {
  static const Table<Strategy> table = {
      "rolling",
      "New pods come up one after the other before old ones end.",
      {
          amount<Strategy>("max_surge", &Strategy::max_surge,
                           "pods above the number of replicas (default 1)"),
          amount<Strategy>("max_unavailable", &Strategy::max_unavailable,
                           "pods that may be missing meanwhile (default 0)"),
      }};
  return table;
}

const Table<Strategy>& blue_green_table() {
  static const Table<Strategy> table = {
      "blue_green",
      "A second full set of pods is checked while nobody is sent to it; then the Service is switched.",
      {
          row::flag("preview", &Strategy::preview,
                    "a Service NAME-preview for the new pods while they are checked"),
          checks<Strategy>("checks", "each must pass before the switch"),
          row::flag("manual", &Strategy::manual, "the switch waits for `slipway promote`"),
          row::duration("keep_old", &Strategy::keep_old,
                        "how long the old pods stay after the switch: going back takes no start"),
          row::planned<Strategy>("verify", "tests of the section `verify`; use `checks`"),
      }};
  return table;
}

const Table<Strategy>& canary_table() {
  static const Table<Strategy> table = {
      "canary",
      "The new version gets a growing share of the requests, watched at each step.",
      {
          row::required(row::custom<Strategy>("steps", "the shares, growing, each with its time",
                                              schema_of::list_of(canary_step_table().schema()), read_steps)),
          row::word(
              "traffic", &Strategy::traffic, {"replicas", "routes"},
              "`replicas`: the number of pods decides; `routes`: weights of the Ingress (ingress-nginx) or "
              "HTTPRoute (Gateway API)"),
          checks<Strategy>("abort_when", "each is asked at every step; bad answers take the release back"),
      }};
  return table;
}

Key<Environment> strategy_key() {
  auto one = schema_of_one();
  nlohmann::json schema = {{"anyOf", {one, schema_of::map_of(one)}}};
  return row::custom<Environment>("strategy",
                                  "how new versions take the place of old ones: `rolling` (default), "
                                  "`recreate`, `blue_green`, `canary`, for all "
                                  "services or for each: {NAME: {canary: {…}}}",
                                  std::move(schema), [](Environment& into, const Node& node, Diagnostics& d) {
                                    const bool by_service =
                                        node.is_mapping() &&
                                        !(node.members.size() == 1 && is_kind(node.members[0].key));
                                    if (!by_service) {
                                      into.strategy = read_strategy(node, d);
                                      return;
                                    }
                                    for (const auto& member : node.members) {
                                      if (member.key.starts_with("x-")) continue;
                                      if (auto strategy = read_strategy(*member.value, d)) {
                                        strategy->where = member.where;
                                        into.strategies.emplace(member.key, std::move(*strategy));
                                      }
                                    }
                                  });
}

}  // namespace slipway
