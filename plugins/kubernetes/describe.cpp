#include "plugins/kubernetes/describe.h"

namespace slipway::kubernetes {

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
  json health = object({{"http", text("path that answers 2xx or 3xx")},
                        {"tcp", number("port that takes connections", 1, 65535)},
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
       {"secret_environment", by_name("variable → secret")},
       {"files", by_name("path inside → text")},
       {"secret_files", by_name("path inside → secret")},
       {"port", number("the service's own port", 1, 65535)},
       {"publish", number("of the local target; nothing here", 1, 65535)},
       {"replicas", number("how many", 0, 1'000)},
       {"volumes", texts("NAME:/path, a claim for each")},
       {"tmpfs", texts("paths in memory")},
       {"user", text("a number, or number:number, instead of the image's")},
       {"workdir", text("instead of the image's")},
       {"depends_on", {{"type", "object"}, {"additionalProperties", {{"enum", {"healthy", "started"}}}}}},
       {"stateful", flag("a StatefulSet")},
       {"stop_grace_ms", number("from the stop signal to the kill", 0, 86'400'000)},
       {"resources", object({{"requests", by_name("cpu, memory")}, {"limits", by_name("cpu, memory")}})},
       {"manifests", object({{"files", texts("YAML files of the project (globs)")},
                             {"kustomize", text("a folder of the project, for `kustomize build`")},
                             {"command", texts("argv that prints them, run in the project's folder")},
                             {"image", text("the name in them that stands for the image")}},
                            {"image"})},
       {"autoscale", object({{"min", number("least replicas", 1, 1'000)},
                             {"max", number("most replicas", 1, 1'000)},
                             {"cpu", number("percent of what is requested", 1, 1'000)},
                             {"memory", number("percent of what is requested", 1, 1'000)}},
                            {"min", "max"})},
       {"service_account", object({{"name", text("one that is there (default: one is made)")},
                                   {"annotations", by_name("of the one that is made")},
                                   {"token", flag("pods find a token of it")}})},
       {"before", hook},
       {"after", hook},
       {"ingress", object({{"host", text("its name outside")},
                           {"path", text("what requests begin with")},
                           {"class", text("of the ingress controllers")},
                           {"tls", text("Secret with the certificate")}},
                          {"host", "path"})},
       {"strategy",
        {{"type", "object"}, {"description", "how it is replaced: rolling, recreate, blue_green or canary"}}},
       {"healthcheck", health}},
      {"image", "reference"});
}

json place(json more = json::object()) {
  more["project"] = text("name of the project");
  more["environment"] = text("name of the environment");
  more["target"] =
      object({{"kubeconfig", text("a file (default: $KUBECONFIG, ~/.kube/config, a service account)")},
              {"context", text("of the kubeconfig (default: its current one)")},
              {"namespace", text("default: the context's")},
              {"create_namespace", flag("make the namespace when it is not there")},
              {"network_policy", flag("only who depends on a service reaches it")},
              {"prune", flag("remove what left the spec (default true)")},
              {"take_over", texts("fields that may be taken from other managers; * means all")},
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
  info.name = "kubernetes";
  info.version = "1";
  info.summary = "Rolls services out to a Kubernetes cluster, through its API alone.";
  const json services = {{"type", "object"}, {"additionalProperties", service_schema()}};
  auto apply = action(
      "apply", "Brings a release out as a whole: applied, watched, and taken back if it does not serve.",
      object(place({{"services", services}}), {"project", "environment", "services"}));
  apply.secrets = {"*"};
  apply.can_preview = true;
  info.actions.push_back(std::move(apply));
  auto render = action(
      "render",
      "Tells the objects that apply would write, the values of secrets masked; a preview has them too.",
      object(place({{"services", services}}), {"project", "environment", "services"}));
  render.can_preview = true;
  render.secrets = {"*"};
  info.actions.push_back(std::move(render));
  auto diff = action("diff", "Tells field by field what apply would change, by the cluster's own word.",
                     object(place({{"services", services}}), {"project", "environment", "services"}));
  diff.can_preview = true;
  diff.secrets = {"*"};
  info.actions.push_back(std::move(diff));
  auto status = action("status", "Tells what runs.", object(place(), {"project", "environment"}));
  status.can_preview = true;  // it changes nothing anyway
  info.actions.push_back(std::move(status));
  info.actions.push_back(action("logs", "Shows what services wrote.",
                                object(place({{"services", texts("only of these")},
                                              {"follow", flag("go on with what comes")},
                                              {"tail", number("lines of each pod", 0, 1'000'000)}}),
                                       {"project", "environment"})));
  info.actions.push_back(
      action("rollback", "Makes an earlier release run again.",
             object(place({{"release", text("default: the good one before")}}), {"project", "environment"})));
  info.actions.push_back(
      action("promote", "Tells a rollout that holds to go on.",
             object(place({{"by", text("who says so")}, {"all", flag("through every later hold too")}}),
                    {"project", "environment"})));
  info.actions.push_back(action("abort",
                                "Tells a rollout that holds to go back; takes one back that was cut off.",
                                object(place({{"by", text("who says so")}, {"why", text("shown with it")}}),
                                       {"project", "environment"})));
  info.actions.push_back(
      action("down", "Removes everything that was rolled out.",
             object(place({{"volumes", flag("the claims of databases too")}}), {"project", "environment"})));
  return info;
}

}  // namespace slipway::kubernetes
