#include "plugins/local/describe.h"

namespace slipway::local {

namespace {

json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

json number(const char* description, int least, std::int64_t most) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", most}, {"description", description}};
}

json texts(const char* description) {
  return {{"type", "array"}, {"items", {{"type", "string"}}}, {"description", description}};
}

json by_name(const char* description) {
  return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}, {"description", description}};
}

json object(json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

json service_schema() {
  json health = object({{"http", text("path that answers 2xx or 3xx")},
                        {"tcp", number("port that takes connections", 1, 65535)},
                        {"test", texts("command that exits with 0, run inside")},
                        {"port", number("port of `http` (default: the service's)", 1, 65535)},
                        {"interval_ms", number("between two questions", 1, 86'400'000)},
                        {"timeout_ms", number("of one question", 1, 86'400'000)},
                        {"retries", number("failures in a row that are the end", 1, 1'000'000)},
                        {"start_period_ms", number("failures in it do not count", 0, 86'400'000)}},
                       {});
  return object(
      {{"image", {{"type", "object"}, {"description", "descriptor of an image in the user's store"}}},
       {"command", texts("instead of the image's CMD")},
       {"environment", by_name("variables")},
       {"secret_environment", by_name("variable → secret")},
       {"files", by_name("path inside → text")},
       {"secret_files", by_name("path inside → secret")},
       {"port", number("the service's own port", 1, 65535)},
       {"publish", number("port of this machine (127.0.0.1)", 1, 65535)},
       {"replicas", number("how many", 0, 100)},
       {"volumes", texts("NAME:/path")},
       {"tmpfs", texts("paths in memory")},
       {"user", text("instead of the image's")},
       {"workdir", text("instead of the image's")},
       {"depends_on", {{"type", "object"}, {"additionalProperties", {{"enum", {"healthy", "started"}}}}}},
       {"stateful", {{"type", "boolean"}, {"description", "one replica, stopped before the new one starts"}}},
       {"stop_grace_ms", number("from the stop signal to the kill", 0, 86'400'000)},
       {"healthcheck", health}},
      {"image"});
}

json place(json more = json::object()) {
  more["project"] = text("name of the project");
  more["environment"] = text("name of the environment (default: local)");
  return more;
}

ActionInfo action(const char* name, const char* summary, json params) {
  ActionInfo info;
  info.name = name;
  info.summary = summary;
  info.params = std::move(params);
  info.outputs = {{"type", "object"}};
  return info;
}

}  // namespace

PluginInfo describe() {
  PluginInfo info;
  info.name = "local";
  info.version = "1";
  info.summary = "Runs services on this machine: replicas in network namespaces behind HAProxy.";
  auto apply =
      action("apply", "Makes these services run: start new, wait until healthy, switch, drain, stop old.",
             object(place({{"services", {{"type", "object"}, {"additionalProperties", service_schema()}}}}),
                    {"project", "services"}));
  apply.secrets = {"*"};
  // Whether everything runs is seen by looking, which takes milliseconds, not by remembering.
  apply.cacheable = false;
  apply.can_preview = true;
  info.actions.push_back(std::move(apply));
  auto status = action("status", "Tells what runs.", object(place(), {"project"}));
  status.can_preview = true;  // it changes nothing anyway
  info.actions.push_back(std::move(status));
  info.actions.push_back(action("logs", "Shows what services wrote.",
                                object(place({{"services", texts("only of these")},
                                              {"follow", {{"type", "boolean"}}},
                                              {"tail", number("lines of each replica", 0, 1'000'000)}}),
                                       {"project"})));
  info.actions.push_back(
      action("rollback", "Makes an earlier release run again.",
             object(place({{"release", text("default: the good one before")}}), {"project"})));
  info.actions.push_back(action("down", "Stops everything and removes it.",
                                object(place({{"volumes", {{"type", "boolean"}}}}), {"project"})));
  info.actions.push_back(action("clean", "Finds what a killed rollout left, and removes it unless `dry_run`.",
                                object(place({{"dry_run", {{"type", "boolean"}}}}), {"project"})));
  return info;
}

}  // namespace slipway::local
