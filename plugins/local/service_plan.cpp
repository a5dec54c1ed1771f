#include "plugins/local/service_plan.h"

#include "oci/probe.h"
#include "sys/digest.h"
#include "sys/files.h"

namespace slipway::local {

namespace {

template <typename T>
T value(const json& from, const char* name, T otherwise) {
  const auto it = from.find(name);
  return it == from.end() || it->is_null() ? otherwise : it->get<T>();
}

std::map<std::string, std::string> texts_of(const json& params, const char* name) {
  return value(params, name, std::map<std::string, std::string>{});
}

// The names are used in host names, in folders and in HAProxy's configuration.
void check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 63 && std::isalnum(static_cast<unsigned char>(name[0])) &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) || c == '-' || c == '_' || c == '.';
                    });
  if (!good)
    throw Error(ExitCode::usage, fmt::format("`{}` is no name for a service", name))
        .hint("use letters, digits, `-`, `_` and `.`, at most 63");
}

void put_env(std::vector<std::string>& env, const std::string& name, const std::string& text) {
  std::erase_if(env, [&](const std::string& entry) { return entry.starts_with(name + "="); });
  env.push_back(name + "=" + text);
}

const Secret& secret_of(const Invocation& invocation, const std::string& name) {
  const auto it = invocation.secrets.find(name);
  if (it == invocation.secrets.end())
    throw Error(ExitCode::usage, fmt::format("the secret `{}` was not given", name));
  return it->second;
}

void add_port(std::vector<int>& ports, int port) {
  if (port > 0 && std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
}

void read_volumes(ServicePlan& plan, const json& params) {
  for (const auto& text : value(params, "volumes", std::vector<std::string>{})) {
    const auto colon = text.find(':');
    const auto name = text.substr(0, colon);
    const auto target = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (name.find('/') != std::string::npos || name.starts_with('.'))
      throw Error(ExitCode::usage,
                  fmt::format("volume `{}` is a folder of this machine: that cannot be mounted", text))
          .hint("name a volume: `NAME:/path`");
    if (!is_safe_name(name) || !target.starts_with('/') || target.find(':') != std::string::npos)
      throw Error(ExitCode::usage, fmt::format("`{}` is no volume", text)).hint("write `NAME:/path`");
    plan.volumes[target] = name;
  }
}

// The image's HEALTHCHECK, in the words of the params.
json image_healthcheck(const oci::ImageConfig& config) {
  if (!config.healthcheck || config.healthcheck->test.empty() || config.healthcheck->test[0] == "NONE")
    return nullptr;
  const auto& from = *config.healthcheck;
  json out = {{"test", from.test}};
  const auto put = [&](const char* name, std::int64_t ns) {
    if (ns > 0) out[name] = ns / 1'000'000;
  };
  put("interval_ms", from.interval_ns);
  put("timeout_ms", from.timeout_ns);
  put("start_period_ms", from.start_period_ns);
  if (from.retries > 0) out["retries"] = from.retries;
  return out;
}

std::string definition_of(ServicePlan plan) {
  plan.definition.clear();
  plan.declared.clear();
  plan.replicas = 1;
  plan.publish = 0;
  plan.depends_on.clear();
  plan.healthcheck = nullptr;
  return Digest::of(json(plan).dump()).hex();
}

void add_secrets(ServicePlan& plan, const json& params,
                 const std::function<std::string(const std::string&)>& value_of) {
  for (const auto& [key, secret] : texts_of(params, "secret_environment"))
    put_env(plan.env, key, value_of(secret));
  for (const auto& [path, secret] : texts_of(params, "secret_files")) plan.files[path] = value_of(secret);
}

ServicePlan plan_service(const std::string& name, const json& params, const Invocation& invocation,
                         const oci::Store& store, Secrets secrets) {
  check_name(name);
  ServicePlan plan;
  plan.name = name;
  plan.image = params.at("image");
  const auto config = store.config(store.manifest(oci::descriptor_from_json(plan.image)));
  plan.args = config.entrypoint;
  const auto command = value(params, "command", std::vector<std::string>{});
  const auto& rest = command.empty() ? config.cmd : command;
  plan.args.insert(plan.args.end(), rest.begin(), rest.end());
  if (plan.args.empty())
    throw Error(ExitCode::usage, "neither the image nor the service names a command").hint("add `command`");
  plan.env = config.env;
  for (const auto& [key, text] : texts_of(params, "environment")) put_env(plan.env, key, text);
  plan.files = texts_of(params, "files");
  plan.cwd = value(params, "workdir", config.working_dir.empty() ? std::string("/") : config.working_dir);
  plan.user = value(params, "user", config.user);
  plan.stop_signal = config.stop_signal.empty() ? "SIGTERM" : config.stop_signal;
  plan.stop_grace_ms = value(params, "stop_grace_ms", std::int64_t{10'000});
  plan.tmpfs = value(params, "tmpfs", std::vector<std::string>{});
  read_volumes(plan, params);
  plan.healthcheck = params.contains("healthcheck") ? params.at("healthcheck") : image_healthcheck(config);
  add_port(plan.ports, value(params, "port", 0));
  const auto exposed = [&] {
    for (const auto& entry : config.exposed_ports)
      if (!entry.ends_with("/udp")) add_port(plan.ports, std::atoi(entry.c_str()));
  };
  // Its own port first; one that is only for probes is not what other services ask for.
  if (plan.ports.empty()) exposed();
  json check_params = {{"port", plan.ports.empty() ? 0 : plan.ports[0]}, {"healthcheck", plan.healthcheck}};
  const auto check = oci::Healthcheck::of_service(check_params);
  if (check && check->kind != oci::Healthcheck::Kind::test && plan.ports.empty())
    add_port(plan.ports, check->port);
  exposed();
  plan.http = check && check->kind == oci::Healthcheck::Kind::http;
  plan.replicas = value(params, "replicas", 1);
  plan.publish = value(params, "publish", 0);
  plan.stateful = value(params, "stateful", false);
  if (plan.stateful && plan.replicas != 1) throw Error(ExitCode::usage, "a stateful service has one replica");
  if (plan.replicas < 0 || plan.replicas > 100)
    throw Error(ExitCode::usage, fmt::format("{} replicas are not possible here", plan.replicas))
        .hint("from 0 to 100");
  if (plan.publish && plan.ports.empty())
    throw Error(ExitCode::usage, "it is published but has no port").hint("add `port`");
  plan.depends_on = value(params, "depends_on", std::map<std::string, std::string>{});
  auto declared = plan;
  add_secrets(declared, params, [](const std::string& secret) { return "secret " + secret; });
  plan.declared = definition_of(std::move(declared));
  if (secrets == Secrets::unknown) return plan;
  add_secrets(plan, params,
              [&](const std::string& secret) { return secret_of(invocation, secret).reveal(); });
  plan.definition = definition_of(plan);
  return plan;
}

}  // namespace

std::vector<std::vector<const ServicePlan*>> levels_of(const std::vector<ServicePlan>& plans) {
  std::vector<std::vector<const ServicePlan*>> levels;
  std::set<std::string> placed;
  while (placed.size() < plans.size()) {
    std::vector<const ServicePlan*> level;
    std::set<std::string> started;  // of this level; a level is started in its order
    for (bool more = true; more;) {
      more = false;
      for (const auto& plan : plans) {
        if (placed.contains(plan.name) || started.contains(plan.name)) continue;
        const bool ready = std::all_of(plan.depends_on.begin(), plan.depends_on.end(), [&](const auto& on) {
          return placed.contains(on.first) || (on.second == "started" && started.contains(on.first));
        });
        if (!ready) continue;
        level.push_back(&plan);
        started.insert(plan.name);
        more = true;
      }
    }
    if (level.empty()) throw Error(ExitCode::usage, "services depend on each other in a circle");
    for (const auto* plan : level) placed.insert(plan->name);
    levels.push_back(std::move(level));
  }
  return levels;
}

std::vector<ServicePlan> plan_services(const Invocation& invocation, const oci::Store& store,
                                       Secrets secrets) {
  std::vector<ServicePlan> plans;
  const auto& services = invocation.params.at("services");
  std::map<int, std::string> published;
  for (const auto& [name, params] : services.items()) {
    try {
      plans.push_back(plan_service(name, params, invocation, store, secrets));
      for (const auto& [on, _] : plans.back().depends_on)
        if (!services.contains(on))
          throw Error(ExitCode::usage,
                      fmt::format("it depends on `{}`, which is no service of this release", on));
      const auto& plan = plans.back();
      if (plan.publish && !published.emplace(plan.publish, name).second)
        throw Error(ExitCode::usage, fmt::format("port {} is published by `{}` already", plan.publish,
                                                 published[plan.publish]));
    } catch (Error& e) {
      e.trail(fmt::format("in service `{}`", name));
      throw;
    } catch (const json::exception& e) {
      throw Error(ExitCode::usage, fmt::format("service `{}` is not as it should be: {}", name, e.what()));
    }
  }
  std::vector<ServicePlan> ordered;
  for (const auto& level : levels_of(plans))
    for (const auto* plan : level) ordered.push_back(*plan);
  return ordered;
}

}  // namespace slipway::local
