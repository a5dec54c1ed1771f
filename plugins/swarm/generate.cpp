#include "plugins/swarm/generate.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "oci/reference.h"
#include "plugins/swarm/quantity.h"
#include "sys/digest.h"

namespace slipway::swarm {

namespace {

using Texts = std::map<std::string, std::string>;

constexpr std::int64_t kMilli = 1'000'000;              // nanoseconds
constexpr std::int64_t kRestartDelay = 2'000 * kMilli;  // between two starts of a container that ended
constexpr std::int64_t kMonitor = 5'000 * kMilli;
constexpr const char* kEnvironment = "slipway-environment";  // below /run/secrets

template <typename T>
T value(const json& object, const char* name, T otherwise) {
  return object.contains(name) ? object.at(name).get<T>() : otherwise;
}

Texts texts(const json& params, const char* name) {
  return value(params, name, Texts{});
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Swarms take Go templates in environment variables; to slipway they are text.
std::string without_templates(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "{{") == 0) {
      out += "{{\"{{\"}}";
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
}

class Service {
 public:
  Service(const std::string& name, const json& params, const Invocation& invocation, const Place& place,
          const Settings& settings, const oci::Store& store, Secrets secrets, const std::string& data_node,
          Contents& contents)
      : name_(name),
        params_(params),
        invocation_(invocation),
        place_(place),
        settings_(settings),
        secrets_(secrets),
        data_node_(data_node),
        contents_(contents) {
    const auto descriptor = oci::descriptor_from_json(params.at("image"));
    config_ = store.config(store.manifest(descriptor));
    reference_ = params.at("reference").get<std::string>();
    if (reference_.find("@sha256:") == std::string::npos)
      throw Error(ExitCode::usage, fmt::format("`{}` names no digest", reference_));
  }

  ServiceSpec make() {
    ServiceSpec out;
    out.name = name_;
    out.depends_on = value(params_, "depends_on", Texts{});
    auto container = container_spec();
    auto task = task_template(container);
    const auto health = healthcheck();
    for (const auto& [when, into, limit] :
         {std::tuple{"before", &out.before, &out.before_ms}, {"after", &out.after, &out.after_ms}}) {
      if (!params_.contains(when)) continue;
      *into = command(when, task);
      *limit = value(params_[when], "timeout_ms", std::int64_t{600'000});
    }
    if (!health.is_null()) task["ContainerSpec"]["Healthcheck"] = health;
    out.checked = !health.is_null() || (config_.healthcheck && !config_.healthcheck->test.empty() &&
                                        config_.healthcheck->test[0] != "NONE");
    task["ContainerSpec"]["Labels"][label::task] = hash_of(task);
    out.spec = {{"Name", place_.name(name_)},
                {"Labels", labels()},
                {"TaskTemplate", std::move(task)},
                {"Mode", {{"Replicated", {{"Replicas", value(params_, "replicas", 1)}}}}},
                {"UpdateConfig", update_config()},
                {"RollbackConfig", update_config()},
                {"EndpointSpec", endpoint()}};
    out.spec["Labels"][label::spec] = hash_of(out.spec);
    out.declared = declared();
    return out;
  }

 private:
  json labels() const {
    auto out = place_.labels();
    out[label::service] = name_;
    return out;
  }

  bool keeps_data() const { return value(params_, "stateful", false) || params_.contains("volumes"); }
  bool holds_port() const { return settings_.host_ports && params_.contains("publish"); }

  std::string secret_value(const std::string& secret) const {
    if (secrets_ == Secrets::unknown) return "unknown " + secret;
    const auto it = invocation_.secrets.find(secret);
    if (it == invocation_.secrets.end())
      throw Error(ExitCode::usage, fmt::format("the secret `{}` was not given", secret));
    return it->second.reveal();
  }

  // The owner of files put into it.
  json file(const std::string& path, int mode) const {
    const auto user = value(params_, "user", config_.user);
    const auto colon = user.find(':');
    const auto uid = user.substr(0, colon), gid = colon == std::string::npos ? "" : user.substr(colon + 1);
    const bool named = !uid.empty() && !is_number(uid) && uid != "root";
    return {{"Name", path},
            {"UID", is_number(uid) ? uid : "0"},
            {"GID", is_number(gid) ? gid : "0"},
            {"Mode", named ? (mode | 0044) : mode}};  // whose number only the image knows
  }

  std::string keyed(const std::string& part, const std::string& content, Texts& into) const {
    // Never longer than names may be, and the hash stays.
    const auto hash = Digest::of(part + '\0' + content).hex().substr(0, 12);
    const auto name = place_.name(name_).substr(0, 50) + "-" + hash;
    into[name] = content;
    return name;
  }

  json container_spec() {
    json out = {{"Image", reference_}, {"Labels", labels()}};
    if (params_.contains("command")) out["Args"] = params_["command"];
    if (params_.contains("workdir")) out["Dir"] = params_["workdir"];
    if (params_.contains("user")) out["User"] = params_["user"];
    out["StopGracePeriod"] = value(params_, "stop_grace_ms", std::int64_t{10'000}) * kMilli;
    for (const auto& [key, text] : texts(params_, "environment"))
      out["Env"].push_back(key + "=" + without_templates(text));
    const auto add = [&](const char* kind, const char* key, const std::string& name, json target) {
      out[kind].push_back({{key, name}, {"File", std::move(target)}});
    };
    std::string exports;
    for (const auto& [key, secret] : texts(params_, "secret_environment"))
      exports += fmt::format("export {}={}\n", key, quoted(secret_value(secret)));
    if (!exports.empty()) {
      add("Secrets", "SecretName", keyed(kEnvironment, exports, contents_.secrets), file(kEnvironment, 0400));
      wrap(out, value(params_, "command", config_.cmd), config_.entrypoint);
    }
    for (const auto& [path, secret] : texts(params_, "secret_files"))
      add("Secrets", "SecretName", keyed(path, secret_value(secret), contents_.secrets), file(path, 0400));
    for (const auto& [path, text] : texts(params_, "files"))
      add("Configs", "ConfigName", keyed(path, text, contents_.configs), file(path, 0444));
    for (const auto& path : value(params_, "tmpfs", std::vector<std::string>{}))
      out["Mounts"].push_back({{"Type", "tmpfs"}, {"Target", path}});
    for (const auto& text : value(params_, "volumes", std::vector<std::string>{})) {
      const auto colon = text.find(':');
      if (colon == std::string::npos || text.find('/') < colon)
        throw Error(ExitCode::usage, fmt::format("`{}` is no volume", text)).hint("write `NAME:/path`");
      out["Mounts"].push_back({{"Type", "volume"},
                               {"Source", place_.name(text.substr(0, colon))},
                               {"Target", text.substr(colon + 1)},
                               {"VolumeOptions", {{"Labels", place_.labels()}}}});
    }
    return out;
  }

  // A swarm's secrets are files: a shell of the image makes variables of them.
  void wrap(json& container, const std::vector<std::string>& command,
            const std::vector<std::string>& entrypoint) const {
    json words = {"/bin/sh", "-c", fmt::format(". /run/secrets/{} && exec \"$@\"", kEnvironment), "sh"};
    for (const auto& word : entrypoint) words.push_back(word);
    for (const auto& word : command) words.push_back(word);
    if (entrypoint.empty() && command.empty())
      throw Error(ExitCode::usage, "its image has no command").hint("add `command`");
    container["Command"] = std::move(words);
    container.erase("Args");
  }

  json task_template(const json& container) const {
    json out = {
        {"ContainerSpec", container},
        {"RestartPolicy", {{"Condition", "any"}, {"Delay", kRestartDelay}}},
        {"Networks", {{{"Target", network_name(place_, settings_.encrypted)}, {"Aliases", {name_}}}}}};
    if (params_.contains("volumes") && !data_node_.empty())
      out["Placement"]["Constraints"] = {"node.id==" + data_node_};
    if (params_.contains("resources")) {
      for (const auto& [from, to] : {std::pair{"limits", "Limits"}, {"requests", "Reservations"}}) {
        const auto amounts = value(params_["resources"], from, Texts{});
        if (const auto it = amounts.find("cpu"); it != amounts.end())
          out["Resources"][to]["NanoCPUs"] = std::llround(amount_of(it->second) * 1e9);
        if (const auto it = amounts.find("memory"); it != amounts.end())
          out["Resources"][to]["MemoryBytes"] = std::llround(amount_of(it->second));
      }
    }
    return out;
  }

  int port() const {
    if (params_.contains("port")) return params_["port"].get<int>();
    for (const auto& entry : config_.exposed_ports)
      if (!entry.ends_with("/udp")) return std::atoi(entry.c_str());
    return 0;
  }

  // Asked inside of the container: a path or a port needs a tool of the image there. null: the image's own.
  json healthcheck() const {
    if (!params_.contains("healthcheck")) return nullptr;
    const auto& check = params_["healthcheck"];
    const auto timeout = value(check, "timeout_ms", std::int64_t{2'000});
    const auto seconds = (timeout + 999) / 1'000;
    json test;
    if (check.contains("http")) {
      const auto asked = value(check, "port", port());
      if (!asked)
        throw Error(ExitCode::usage, "its healthcheck asks for a path, and it has no port")
            .hint("add `port`");
      const auto url = quoted(fmt::format("http://127.0.0.1:{}{}", asked, check["http"].get<std::string>()));
      // How long it may take, the engine sees to.
      test = {"CMD", "/bin/sh", "-c",
              fmt::format("if command -v wget >/dev/null; then exec wget -q -O /dev/null {0}; fi; "
                          "exec curl -fsS -o /dev/null {0}",
                          url)};
    } else if (check.contains("tcp")) {
      test = {
          "CMD", "/bin/sh", "-c",
          fmt::format("if command -v nc >/dev/null; then exec nc -w {0} 127.0.0.1 {1} </dev/null >/dev/null; "
                      "fi; exec bash -c '</dev/tcp/127.0.0.1/{1}'",
                      seconds, check["tcp"].get<int>())};
    } else {
      test = {"CMD"};
      for (const auto& word : check.at("test")) test.push_back(word);
    }
    return {{"Test", test},
            {"Interval", value(check, "interval_ms", std::int64_t{2'000}) * kMilli},
            {"Timeout", timeout * kMilli},
            {"Retries", value(check, "retries", 30)},
            {"StartPeriod", value(check, "start_period_ms", std::int64_t{0}) * kMilli}};
  }

  json update_config() const {
    const auto replicas = value(params_, "replicas", 1);
    const bool stop_first = keeps_data() || holds_port() || settings_.update_order == "stop-first";
    if (holds_port() && settings_.update_order == "start-first")
      throw Error(ExitCode::usage, "it publishes a port of its nodes, and `start-first` needs it twice");
    // At the first fault the swarm stops: where it goes on, it ends old containers for new ones that do not
    // run. slipway lets it go on or takes all services back.
    return {{"Parallelism", stop_first ? 1 : std::max(1, (replicas + 3) / 4)},
            {"FailureAction", "pause"},
            {"Monitor", kMonitor},
            {"Order", stop_first ? "stop-first" : "start-first"}};
  }

  json endpoint() const {
    json out = {{"Mode", settings_.virtual_address ? "vip" : "dnsrr"}};
    if (params_.contains("publish")) {
      if (!port())
        throw Error(ExitCode::usage, "it publishes a port and has none itself")
            .hint("add `port`: what it listens on");
      out["Ports"] = {{{"Protocol", "tcp"},
                       {"TargetPort", port()},
                       {"PublishedPort", params_["publish"]},
                       {"PublishMode", settings_.host_ports ? "host" : "ingress"}}};
    }
    return out;
  }

  // The service's own container, with another command and nobody who asks for its health.
  json command(const char* when, json task) const {
    const auto words = params_[when]["run"].get<std::vector<std::string>>();
    auto& container = task["ContainerSpec"];
    container["Healthcheck"] = {{"Test", {"NONE"}}};
    if (params_.contains("secret_environment")) {
      wrap(container, words, {});
    } else {
      container["Command"] = words;
      container.erase("Args");
    }
    container["Labels"][label::service] = fmt::format("{} {}", name_, when);
    task["RestartPolicy"] = {{"Condition", "none"}};
    task["Networks"][0].erase("Aliases");  // it would get requests
    auto own = place_.labels();
    own[label::record] = "command";
    return {{"Name", place_.name(fmt::format("{}-{}", name_, when))},
            {"Labels", own},
            {"TaskTemplate", std::move(task)},
            {"Mode", {{"Replicated", {{"Replicas", 1}}}}},
            {"EndpointSpec", {{"Mode", settings_.virtual_address ? "vip" : "dnsrr"}}}};
  }

  std::string declared() const {
    json out = params_;
    out.erase("image");
    out["settings"] = {settings_.encrypted, settings_.host_ports, settings_.virtual_address,
                       settings_.update_order};
    return hash_of(out);
  }

  std::string name_;
  const json& params_;
  const Invocation& invocation_;
  const Place& place_;
  const Settings& settings_;
  Secrets secrets_;
  std::string data_node_;
  Contents& contents_;
  oci::ImageConfig config_;
  std::string reference_;
};

}  // namespace

std::string ServiceSpec::spec_hash() const {
  return spec.contains("Labels") ? spec["Labels"].value(label::spec, "") : "";
}

std::string ServiceSpec::task_hash() const {
  const auto& labels = spec.value("/TaskTemplate/ContainerSpec/Labels"_json_pointer, json::object());
  return labels.value(label::task, "");
}

int ServiceSpec::replicas() const {
  return spec.value("/Mode/Replicated/Replicas"_json_pointer, 1);
}

std::string ServiceSpec::image() const {
  return spec.value("/TaskTemplate/ContainerSpec/Image"_json_pointer, "");
}

std::vector<ServiceSpec> generate(const Invocation& invocation, const Place& place, const Settings& settings,
                                  const oci::Store& store, Secrets secrets, const std::string& data_node,
                                  Contents& contents) {
  std::vector<ServiceSpec> out;
  const auto& services = invocation.params.at("services");
  for (const auto& [name, params] : services.items()) {
    try {
      out.push_back(
          Service(name, params, invocation, place, settings, store, secrets, data_node, contents).make());
      for (const auto& [on, _] : out.back().depends_on)
        if (!services.contains(on))
          throw Error(ExitCode::usage,
                      fmt::format("it depends on `{}`, which is no service of this release", on));
    } catch (Error& e) {
      e.trail(fmt::format("in service `{}`", name));
      throw;
    }
  }
  return out;
}

// Networks cannot be changed: another setting is another network.
std::string network_name(const Place& place, bool encrypted) {
  return place.name(encrypted ? "" : "plain");
}

void add_uses(const json& spec, Uses& uses) {
  if (!spec.is_object()) return;
  const auto each = [&](const json::json_pointer& list, const char* key, std::set<std::string>& into) {
    for (const auto& one : spec.value(list, json::array())) into.insert(one.value(key, ""));
  };
  each("/TaskTemplate/Networks"_json_pointer, "Target", uses.networks);
  each("/TaskTemplate/ContainerSpec/Secrets"_json_pointer, "SecretName", uses.secrets);
  each("/TaskTemplate/ContainerSpec/Configs"_json_pointer, "ConfigName", uses.configs);
}

void add_uses(const ServiceSpec& service, Uses& uses) {
  add_uses(service.spec, uses);
  add_uses(service.before, uses);
  add_uses(service.after, uses);
}

}  // namespace slipway::swarm
