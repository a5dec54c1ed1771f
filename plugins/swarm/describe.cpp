#include "plugins/swarm/describe.h"

namespace slipway::swarm {

namespace {

json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

json number(const char* description, std::int64_t least, std::int64_t most) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", most}, {"description", description}};
}

json texts(const char* description) {
  return {{"type", "array"}, {"items", {{"type", "string"}}}, {"description", description}};
}

json flag(const char* description) {
  return {{"type", "boolean"}, {"description", description}};
}

json by_name(const char* description) {
  return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}, {"description", description}};
}

json object(json properties, std::vector<std::string> required = {}) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

json service_schema() {
  json health =
      object({{"http", text("path that answers 2xx or 3xx; asked inside, by its wget or curl")},
              {"tcp", number("port that takes connections; asked inside, by its nc or bash", 1, 65535)},
              {"test", texts("command that exits with 0, run inside")},
              {"port", number("port of `http` (default: the service's)", 1, 65535)},
              {"interval_ms", number("between two questions", 1, 86'400'000)},
              {"timeout_ms", number("of one question", 1, 86'400'000)},
              {"retries", number("failures in a row that are the end", 1, 1'000'000)},
              {"start_period_ms", number("failures in it do not count", 0, 86'400'000)}});
  const json hook = object({{"run", texts("argv, in the service's image and environment")},
                            {"timeout_ms", number("default 10 minutes", 1, 86'400'000)}},
                           {"run"});
  return object(
      {{"image", {{"type", "object"}, {"description", "descriptor of an image in the user's store"}}},
       {"reference", text("the same image in a registry, by digest")},
       {"command", texts("instead of the image's CMD")},
       {"environment", by_name("variables")},
       {"secret_environment", by_name("variable → secret; a shell of the image makes them of a file")},
       {"files", by_name("path inside → text")},
       {"secret_files", by_name("path inside → secret")},
       {"port", number("the service's own port", 1, 65535)},
       {"publish", number("port of the nodes", 1, 65535)},
       {"replicas", number("how many", 0, 1'000)},
       {"volumes", texts("NAME:/path, on one node")},
       {"tmpfs", texts("paths in memory")},
       {"user", text("instead of the image's")},
       {"workdir", text("instead of the image's")},
       {"depends_on", {{"type", "object"}, {"additionalProperties", {{"enum", {"healthy", "started"}}}}}},
       {"stateful", flag("stopped before the new one starts")},
       {"stop_grace_ms", number("from the stop signal to the kill", 0, 86'400'000)},
       {"resources", object({{"requests", by_name("cpu, memory")}, {"limits", by_name("cpu, memory")}})},
       {"before", hook},
       {"after", hook},
       {"healthcheck", health}},
      {"image", "reference"});
}

json word(const char* description, std::vector<std::string> words) {
  return {{"enum", std::move(words)}, {"description", description}};
}

json place(json more = json::object()) {
  more["project"] = text("name of the project");
  more["environment"] = text("name of the environment");
  more["target"] = object(
      {{"host", text("unix:///…, tcp://… or ssh://user@host of a manager (default: as docker finds it)")},
       {"context", text("one of docker's, instead of `host`")},
       {"tls", object({{"ca", text("PEM file")}, {"cert", text("PEM file")}, {"key", text("PEM file")}})},
       {"prune", flag("remove what left the spec (default true)")},
       {"encrypted", flag("the network's traffic (default true)")},
       {"publish_mode", word("on every node, or on those that run the service", {"ingress", "host"})},
       {"endpoint_mode", word("a virtual address, or the replicas' own", {"vip", "dnsrr"})},
       {"update_order",
        word("default: start-first where data and ports allow it", {"start-first", "stop-first"})},
       {"deadline_ms", number("for one service to become healthy", 1, 86'400'000)},
       {"stable_ms", number("it must stay healthy so long", 0, 86'400'000)}});
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
  info.name = "swarm";
  info.version = "1";
  info.summary = "Rolls services out to a swarm of Docker Engines, through their API alone.";
  const json services = {{"type", "object"}, {"additionalProperties", service_schema()}};
  const json release = {{"services", services},
                        {"credentials", text("secret: the registry's login, for the nodes")}};
  auto apply = action(
      "apply", "Brings a release out as a whole: written, watched, and taken back if it does not serve.",
      object(place(release), {"project", "environment", "services"}));
  apply.secrets = {"*"};
  apply.can_preview = true;
  info.actions.push_back(std::move(apply));
  auto render =
      action("render", "Tells the objects that apply would make, secrets masked; a preview has them too.",
             object(place(release), {"project", "environment", "services"}));
  render.can_preview = true;
  render.secrets = {"*"};
  info.actions.push_back(std::move(render));
  info.actions.push_back(action("status", "Tells what runs.", object(place(), {"project", "environment"})));
  info.actions.push_back(action("logs", "Shows what services wrote.",
                                object(place({{"services", texts("only of these")},
                                              {"follow", flag("go on with what comes")},
                                              {"tail", number("lines of each replica", 0, 1'000'000)}}),
                                       {"project", "environment"})));
  info.actions.push_back(
      action("rollback", "Makes an earlier release run again.",
             object(place({{"release", text("default: the good one before")}}), {"project", "environment"})));
  info.actions.push_back(action("down", "Removes everything that was rolled out.",
                                object(place({{"volumes", flag("data too")}}), {"project", "environment"})));
  return info;
}

}  // namespace slipway::swarm
