#include "plan/service_params.h"

#include "base/error.h"
#include "spec/expression.h"

namespace slipway {

namespace {

json output(const std::string& step, const std::string& pointer) {
  return {{"$ref", step}, {"path", pointer}};
}

json expression_value(const std::string& name, const std::string& git_step) {
  const auto dot = name.find('.'), last = name.rfind('.');
  const auto room = name.substr(0, dot), leaf = name.substr(last + 1);
  if (room == "images") return output("build." + name.substr(dot + 1, last - dot - 1), "/" + leaf);
  if (room == "sources") return output("source." + name.substr(dot + 1, last - dot - 1), "/" + leaf);
  if (git_step.empty())
    throw Error(ExitCode::usage, fmt::format("`{}`: of which source?", name))
        .hint("there are several: write sources.NAME.commit or sources.NAME.branch");
  if (leaf == "sha") return output(git_step, "/commit");
  if (leaf == "sha_short") return output(git_step, "/commit_short");
  return output(git_step, "/branch");
}

}  // namespace

json run_text(const std::string& text, const std::string& git_step) {
  if (text.find("${{") == std::string::npos) return text;
  json parts = json::array();
  for (const auto& part : split_expressions(text))
    parts.push_back(part.expression ? expression_value(part.text, git_step) : json(part.text));
  return parts.size() == 1 ? parts[0] : json{{"$join", parts}};
}

void put_values(json& params, const Values& values, const std::string& plain, const std::string& secret,
                const std::string& git_step, std::set<std::string>& secrets) {
  json texts = json::object(), names = json::object();
  for (const auto& [name, value] : values) {
    if (value.secret.empty()) {
      texts[name] = run_text(value.text, git_step);
    } else {
      names[name] = value.secret;
      secrets.insert(value.secret);
    }
  }
  if (!texts.empty()) params[plain] = std::move(texts);
  if (!names.empty()) params[secret] = std::move(names);
}

json service_params(const Service& service, json image, bool keeps_data, std::set<std::string>& secrets) {
  json out = {{"image", std::move(image)}};
  if (!service.command.empty())
    out["command"] = service.command.size() == 1
                         ? std::vector<std::string>{"/bin/sh", "-c", service.command[0]}
                         : service.command;
  put_values(out, service.environment, "environment", "secret_environment", "", secrets);
  put_values(out, service.files, "files", "secret_files", "", secrets);
  if (service.port) out["port"] = *service.port;
  if (service.publish) out["publish"] = *service.publish;
  if (!service.backing) out["replicas"] = service.replicas;
  if (keeps_data) {
    json volumes = json::array();
    for (const auto& volume : service.volumes) volumes.push_back(volume.text);
    if (!volumes.empty()) out["volumes"] = std::move(volumes);
    if (service.backing) out["stateful"] = true;
  }
  if (!service.tmpfs.empty()) out["tmpfs"] = service.tmpfs;
  if (!service.user.empty()) out["user"] = service.user;
  if (!service.workdir.empty()) out["workdir"] = service.workdir;
  for (const auto& on : service.depends_on) out["depends_on"][on.on.text] = on.until;
  if (service.stop_grace_period) out["stop_grace_ms"] = service.stop_grace_period->count();
  for (const auto& [name, values] : {std::pair{"requests", service.requests}, {"limits", service.limits}})
    if (!values.empty()) out["resources"][name] = values;
  for (const auto& [name, hook] : {std::pair{"before", &service.before}, {"after", &service.after}}) {
    if (!*hook) continue;
    out[name]["run"] = (*hook)->run;
    if ((*hook)->timeout) out[name]["timeout_ms"] = (*hook)->timeout->count();
  }
  if (const auto& own = service.manifests) {
    out["manifests"]["image"] = service.image.text;
    if (!own->files.empty()) out["manifests"]["files"] = own->files;
    if (!own->command.empty()) out["manifests"]["command"] = own->command;
    if (!own->kustomize.empty()) out["manifests"]["kustomize"] = own->kustomize;
  }
  if (const auto& scale = service.autoscale) {
    out["autoscale"] = {{"min", scale->min}, {"max", scale->max}};
    if (scale->cpu) out["autoscale"]["cpu"] = *scale->cpu;
    if (scale->memory) out["autoscale"]["memory"] = *scale->memory;
  }
  if (const auto& account = service.service_account) {
    out["service_account"] = {{"token", account->token}};
    if (!account->name.empty()) out["service_account"]["name"] = account->name.text;
    if (!account->annotations.empty()) out["service_account"]["annotations"] = account->annotations;
  }
  if (const auto& way = service.ingress) {
    out["ingress"]["host"] = way->host.text;
    out["ingress"]["path"] = way->path.empty() ? "/" : way->path.text;
    if (!way->class_name.empty()) out["ingress"]["class"] = way->class_name.text;
    if (!way->tls_secret.empty()) out["ingress"]["tls"] = way->tls_secret.text;
  }
  if (const auto& check = service.healthcheck) {
    json& health = out["healthcheck"] = {{"interval_ms", check->interval.count()},
                                         {"timeout_ms", check->timeout.count()},
                                         {"start_period_ms", check->start_period.count()},
                                         {"retries", check->retries}};
    if (!check->http.empty()) health["http"] = check->http.text;
    if (check->tcp) health["tcp"] = *check->tcp;
    if (!check->test.empty()) health["test"] = check->test;
    if (check->port) health["port"] = *check->port;
  }
  return out;
}

namespace {

// A number stays a number: "25%" is a text.
json amount(const std::string& text) {
  return text.ends_with('%') ? json(text) : json(std::stoi(text));
}

json check_params(const ReleaseCheck& check, const Target& target) {
  json out = json::object();
  if (!check.http.empty()) out["http"] = check.http.text;
  if (!check.prometheus.empty()) {
    out["prometheus"] = check.prometheus.text;
    out["server"] = check.server.empty() ? target.prometheus.text : check.server.text;
  }
  if (!check.command.empty()) out["command"] = check.command;
  if (check.above) out["above"] = *check.above;
  if (check.below) out["below"] = *check.below;
  if (check.failures) out["failures"] = *check.failures;
  if (check.interval) out["interval_ms"] = check.interval->count();
  return out;
}

}  // namespace

json strategy_params(const Environment& environment, const Service& service) {
  const auto own = environment.strategies.find(service.name);
  const Strategy* from = own != environment.strategies.end() ? &own->second : nullptr;
  // What keeps data has one way only: a strategy for all is not meant for it.
  if (!from && environment.strategy && !service.backing && service.volumes.empty())
    from = &*environment.strategy;
  if (!from) return nullptr;
  json rules = json::object();
  if (!from->max_surge.empty()) rules["max_surge"] = amount(from->max_surge);
  if (!from->max_unavailable.empty()) rules["max_unavailable"] = amount(from->max_unavailable);
  if (from->preview) rules["preview"] = true;
  if (from->manual) rules["manual"] = true;
  if (from->keep_old) rules["keep_old_ms"] = from->keep_old->count();
  if (from->kind == "canary") rules["traffic"] = from->traffic;
  for (const auto& step : from->steps) {
    json one = {{"weight", step.weight}};
    if (step.manual) one["manual"] = true;
    if (step.hold) one["hold_ms"] = step.hold->count();
    rules["steps"].push_back(std::move(one));
  }
  for (const auto& check : from->checks) rules["checks"].push_back(check_params(check, environment.target));
  return {{from->kind, std::move(rules)}};
}

json target_params(const Target& target) {
  json out = json::object();
  if (!target.kubeconfig.empty()) out["kubeconfig"] = target.kubeconfig.text;
  if (!target.context.empty()) out["context"] = target.context.text;
  if (!target.name_space.empty()) out["namespace"] = target.name_space.text;
  if (!target.prune) out["prune"] = false;
  if (target.network_policy) out["network_policy"] = true;
  if (target.create_namespace) out["create_namespace"] = true;
  for (const auto& field : target.take_over) out["take_over"].push_back(field.text);
  if (target.deadline) out["deadline_ms"] = target.deadline->count();
  if (target.stable) out["stable_ms"] = target.stable->count();
  if (!target.host.empty()) out["host"] = target.host.text;
  for (const auto& [name, file] : {std::pair{"ca", &target.ca}, {"cert", &target.cert}, {"key", &target.key}})
    if (!file->empty()) out["tls"][name] = file->text;
  if (!target.encrypted) out["encrypted"] = false;
  if (!target.publish_mode.empty()) out["publish_mode"] = target.publish_mode;
  if (!target.endpoint_mode.empty()) out["endpoint_mode"] = target.endpoint_mode;
  if (!target.update_order.empty()) out["update_order"] = target.update_order;
  return out;
}

}  // namespace slipway
