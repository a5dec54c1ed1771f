#include "plugins/kubernetes/generate.h"

#include "plugins/kubernetes/around.h"
#include "plugins/kubernetes/own_manifests.h"
#include "sys/base64.h"
#include "sys/digest.h"

namespace slipway::kubernetes {

namespace {

template <typename T>
T value(const json& from, const char* name, T otherwise) {
  const auto it = from.find(name);
  return it == from.end() || it->is_null() ? otherwise : it->get<T>();
}

using Texts = std::map<std::string, std::string>;

Texts texts(const json& from, const char* name) {
  return value(from, name, Texts{});
}

// RFC 1035 label: what the name of a Service must be.
void check_name(const std::string& name, const char* what) {
  const bool good = !name.empty() && name.size() <= 50 && std::islower(static_cast<unsigned char>(name[0])) &&
                    std::isalnum(static_cast<unsigned char>(name.back())) &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::islower(c) || std::isdigit(c) || c == '-';
                    });
  if (!good)
    throw Error(ExitCode::usage, fmt::format("`{}` cannot be the name of a {} in a cluster", name, what))
        .hint("use small letters, digits and `-`, begin with a letter, at most 50");
}

std::string short_hash(const json& of) {
  return Digest::of(of.dump()).hex().substr(0, 10);
}

json seconds(std::int64_t ms) {
  return std::max<std::int64_t>(1, (ms + 999) / 1000);
}

// "/etc/app/config.json" → "etc-app-config.json": a key of a ConfigMap or Secret.
std::string key_of_path(const std::string& path) {
  std::string out;
  for (const unsigned char c : path)
    out += std::isalnum(c) || c == '.' || c == '_' ? static_cast<char>(c) : '-';
  while (out.starts_with('-') || out.starts_with('.')) out.erase(0, 1);
  return out.empty() ? "file" : out;
}

class Service {
 public:
  Service(std::string name, const json& params, const Invocation& invocation, const Place& place,
          const oci::Store& store, Secrets secrets)
      : name_(std::move(name)), params_(params), invocation_(invocation), place_(place), secrets_(secrets) {
    check_name(name_, "service");
    config_ = store.config(store.manifest(oci::descriptor_from_json(params_.at("image"))));
    reference_ = value(params_, "reference", std::string());
    if (reference_.find("@sha256:") == std::string::npos)
      throw Error(ExitCode::usage, fmt::format("the image of `{}` is in no registry", name_))
          .hint("nodes pull images: name one under `registry`: `url: registry.example.com/shop`");
    find_ports();
    find_check();
  }

  std::vector<ServiceObjects> own() const {
    const auto& manifests = params_["manifests"];
    auto out = own_objects(read_manifests(manifests, invocation_.project_dir), name_,
                           value(manifests, "image", std::string()), reference_, place_);
    for (auto& one : out) {
      one.depends_on = texts(params_, "depends_on");
      one.ready_within_ms = ready_within_;
      one.declared = short_hash(json::array({one.config, one.workload, one.after}));
      put_strategy(one);
    }
    return out;
  }

  // `dependents`: services that may reach it where a network policy is asked for.
  std::vector<ServiceObjects> objects(const std::vector<std::string>& dependents) {
    if (params_.contains("manifests")) return own();
    ServiceObjects out;
    out.name = name_;
    out.depends_on = texts(params_, "depends_on");
    if (params_.contains("service_account"))
      out.config = service_account(place_, name_, params_["service_account"]);
    auto template_ = pod_template(out.config);
    if (auto service = make_service()) out.config.push_back(*std::move(service));
    if (params_.contains("before")) out.before_job = job("before", template_);
    if (params_.contains("after")) out.after_job = job("after", template_);
    out.workload = make_workload(std::move(template_));
    if (first_replicas() > 1 && !keeps_data()) out.after.push_back(disruption_budget(place_, name_));
    if (params_.contains("autoscale"))
      out.after.push_back(autoscaler(place_, name_, params_["autoscale"], out.workload));
    if (value(invocation_.params.value("target", json::object()), "network_policy", false) && !ports_.empty())
      out.config.push_back(
          network_policy(place_, name_, dependents, params_.contains("ingress") ? ports_[0] : 0));
    if (params_.contains("ingress")) {
      out.after.push_back(ingress());
      const auto& way = params_["ingress"];
      out.url = fmt::format("{}://{}{}", way.contains("tls") ? "https" : "http",
                            way["host"].get<std::string>(), way["path"].get<std::string>());
    }
    out.ready_within_ms = ready_within_;
    out.declared = short_hash(declared());
    put_strategy(out);
    return {std::move(out)};
  }

 private:
  // How its pods are replaced: the cluster's own ways in the Deployment, ours beside it.
  void put_strategy(ServiceObjects& out) const {
    if (!params_.contains("strategy")) return;
    const auto& strategy = params_["strategy"];
    const bool deployment = out.workload.value("kind", "") == "Deployment";
    if (!deployment) {
      if (strategy.contains("rolling") && strategy["rolling"].empty()) return;
      throw Error(ExitCode::usage,
                  fmt::format("`{}` keeps data: it is replaced one pod after the other", name_))
          .hint("name the other services under `strategy`");
    }
    if (strategy.contains("recreate")) {
      out.workload["spec"]["strategy"] = {{"type", "Recreate"}};
    } else if (strategy.contains("rolling") && !strategy["rolling"].empty()) {
      json rolling = {{"maxSurge", 1}, {"maxUnavailable", 0}};
      for (const auto& [from, to] :
           {std::pair{"max_surge", "maxSurge"}, {"max_unavailable", "maxUnavailable"}})
        if (strategy["rolling"].contains(from)) rolling[to] = strategy["rolling"][from];
      out.workload["spec"]["strategy"] = {{"type", "RollingUpdate"}, {"rollingUpdate", std::move(rolling)}};
    } else if (strategy.contains("canary") || strategy.contains("blue_green")) {
      out.strategy = strategy;
      if (!ports_.empty()) out.strategy.begin().value()["port"] = ports_[0];
    }
  }

  // An autoscaler goes on from it.
  int first_replicas() const {
    const auto replicas = value(params_, "replicas", 1);
    if (!params_.contains("autoscale")) return replicas;
    const auto& scale = params_["autoscale"];
    return std::clamp(replicas, scale["min"].get<int>(), scale["max"].get<int>());
  }

  bool keeps_data() const { return params_.contains("volumes") || value(params_, "stateful", false); }

  json metadata(const std::string& name) const { return metadata_of(place_, name_, name); }
  json pod_labels() const { return selector_of(place_, name_); }

  void find_ports() {
    const auto add = [&](int port) {
      if (port > 0 && std::find(ports_.begin(), ports_.end(), port) == ports_.end()) ports_.push_back(port);
    };
    add(value(params_, "port", 0));
    for (const auto& entry : config_.exposed_ports)
      if (!entry.ends_with("/udp")) add(std::atoi(entry.c_str()));
  }

  void find_check() {
    json check = value(params_, "healthcheck", json::object());
    if (check.empty() && config_.healthcheck && !config_.healthcheck->test.empty() &&
        config_.healthcheck->test[0] != "NONE") {
      const auto& from = *config_.healthcheck;
      check["test"] = from.test;
      if (from.test[0] == "CMD") check["test"].erase(check["test"].begin());
      if (from.test[0] == "CMD-SHELL")
        check["test"] = {"/bin/sh", "-c", from.test.size() > 1 ? from.test[1] : ""};
      if (from.interval_ns > 0) check["interval_ms"] = from.interval_ns / 1'000'000;
      if (from.timeout_ns > 0) check["timeout_ms"] = from.timeout_ns / 1'000'000;
      if (from.start_period_ns > 0) check["start_period_ms"] = from.start_period_ns / 1'000'000;
      if (from.retries > 0) check["retries"] = from.retries;
    }
    const auto interval = std::max<std::int64_t>(1'000, value(check, "interval_ms", std::int64_t{2'000}));
    const auto timeout = value(check, "timeout_ms", std::int64_t{2'000});
    const auto port = value(check, "port", ports_.empty() ? 0 : ports_[0]);
    if (check.contains("http")) {
      if (!port)
        throw Error(ExitCode::usage, "its healthcheck asks for a path, and it has no port")
            .hint("add `port`");
      probe_ = {{"httpGet", {{"path", check["http"]}, {"port", port}}}};
    } else if (check.contains("tcp")) {
      probe_ = {{"tcpSocket", {{"port", check["tcp"]}}}};
    } else if (check.contains("test")) {
      probe_ = {{"exec", {{"command", check["test"]}}}};
    } else if (!ports_.empty()) {
      probe_ = {{"tcpSocket", {{"port", ports_[0]}}}};
    }
    if (probe_.is_null()) return;
    probe_["periodSeconds"] = seconds(interval);
    probe_["timeoutSeconds"] = seconds(timeout);
    probe_["failureThreshold"] = 3;
    ready_within_ = value(check, "start_period_ms", std::int64_t{0}) +
                    value(check, "retries", std::int64_t{30}) * (interval + timeout);
  }

  std::string secret_value(const std::string& secret) const {
    if (secrets_ == Secrets::unknown) return "unknown";
    const auto it = invocation_.secrets.find(secret);
    if (it == invocation_.secrets.end())
      throw Error(ExitCode::usage, fmt::format("the secret `{}` was not given", secret));
    return it->second.reveal();
  }

  // Named by its content: changed content is another object, so pods of an earlier release keep what they
  // had.
  std::string add_keyed(std::vector<json>& config, const char* kind, json data) const {
    const auto name = fmt::format("{}-{}", name_, short_hash(data));
    json object = {{"apiVersion", "v1"},
                   {"kind", kind},
                   {"metadata", metadata(name)},
                   {"immutable", true},
                   {"data", std::move(data)}};
    if (std::string_view(kind) == "Secret") object["type"] = "Opaque";
    config.push_back(std::move(object));
    return name;
  }

  json pod_template(std::vector<json>& config) {
    json container = {{"name", name_}, {"image", reference_}, {"imagePullPolicy", "IfNotPresent"}};
    if (params_.contains("command")) container["args"] = params_["command"];
    if (params_.contains("workdir")) container["workingDir"] = params_["workdir"];
    json env = json::array();
    for (const auto& [key, text] : texts(params_, "environment"))
      env.push_back({{"name", key}, {"value", escaped(text)}});
    json secret_data = json::object(), file_data = json::object();
    for (const auto& [key, secret] : texts(params_, "secret_environment"))
      secret_data[key_of_path(key)] = base64_encode(secret_value(secret));
    Texts secret_paths, file_paths;
    for (const auto& [path, secret] : texts(params_, "secret_files")) {
      secret_paths[path] = key_of_path(path);
      secret_data[key_of_path(path)] = base64_encode(secret_value(secret));
    }
    for (const auto& [path, text] : texts(params_, "files")) {
      file_paths[path] = key_of_path(path);
      file_data[key_of_path(path)] = text;
    }
    json volumes = json::array(), mounts = json::array();
    if (!secret_data.empty()) {
      const auto name = add_keyed(config, "Secret", std::move(secret_data));
      for (const auto& [key, _] : texts(params_, "secret_environment"))
        env.push_back(
            {{"name", key}, {"valueFrom", {{"secretKeyRef", {{"name", name}, {"key", key_of_path(key)}}}}}});
      if (!secret_paths.empty()) {
        volumes.push_back({{"name", "secrets"}, {"secret", {{"secretName", name}, {"defaultMode", 0440}}}});
        for (const auto& [path, key] : secret_paths)
          mounts.push_back({{"name", "secrets"}, {"mountPath", path}, {"subPath", key}, {"readOnly", true}});
      }
    }
    if (!file_data.empty()) {
      const auto name = add_keyed(config, "ConfigMap", std::move(file_data));
      volumes.push_back({{"name", "files"}, {"configMap", {{"name", name}}}});
      for (const auto& [path, key] : file_paths)
        mounts.push_back({{"name", "files"}, {"mountPath", path}, {"subPath", key}, {"readOnly", true}});
    }
    int number = 0;
    for (const auto& path : value(params_, "tmpfs", std::vector<std::string>{})) {
      const auto name = fmt::format("memory-{}", ++number);
      volumes.push_back({{"name", name}, {"emptyDir", {{"medium", "Memory"}}}});
      mounts.push_back({{"name", name}, {"mountPath", path}});
    }
    for (const auto& [volume, path] : named_volumes())
      mounts.push_back({{"name", volume}, {"mountPath", path}});
    if (!env.empty()) container["env"] = std::move(env);
    if (!mounts.empty()) container["volumeMounts"] = std::move(mounts);
    if (!ports_.empty()) {
      container["ports"] = json::array();
      for (const int port : ports_)
        container["ports"].push_back(
            {{"name", fmt::format("port-{}", port)}, {"containerPort", port}, {"protocol", "TCP"}});
    }
    if (!probe_.is_null()) container["readinessProbe"] = probe_;
    container["resources"] = resources();
    json pod = {
        {"automountServiceAccountToken", false},
        {"enableServiceLinks", false},
        {"terminationGracePeriodSeconds", seconds(value(params_, "stop_grace_ms", std::int64_t{30'000}))}};
    if (!ports_.empty() && !keeps_data()) leave_slowly(pod, container);
    secure(pod, container);
    pod["containers"] = json::array({std::move(container)});
    if (!volumes.empty()) pod["volumes"] = std::move(volumes);
    if (params_.contains("service_account")) {
      const auto& account = params_["service_account"];
      pod["serviceAccountName"] = value(account, "name", name_);
      pod["automountServiceAccountToken"] = value(account, "token", false);
    }
    auto labels = pod_labels();
    labels[kServiceLabel] = name_;
    return {{"metadata", {{"labels", std::move(labels)}}}, {"spec", std::move(pod)}};
  }

  // A pod is told to end at the same moment as every node is told to send it nothing more: it goes on serving
  // until all have heard.
  static void leave_slowly(json& pod, json& container) {
    constexpr int kSeconds = 5;
    container["lifecycle"] = {{"preStop", {{"exec", {{"command", {"sleep", std::to_string(kSeconds)}}}}}}};
    auto& grace = pod["terminationGracePeriodSeconds"];
    grace = grace.get<std::int64_t>() + kSeconds;
  }

  // $(NAME) means another variable to Kubernetes; to slipway it is text.
  static std::string escaped(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      out += text[i];
      if (text[i] == '$' && i + 1 < text.size() && (text[i + 1] == '(' || text[i + 1] == '$')) out += '$';
    }
    return out;
  }

  json resources() const {
    json out = {{"requests", {{"cpu", "50m"}, {"memory", "64Mi"}}}, {"limits", {{"memory", "512Mi"}}}};
    if (params_.contains("resources")) {
      out = json::object();
      for (const char* kind : {"requests", "limits"})
        if (params_["resources"].contains(kind)) out[kind] = params_["resources"][kind];
    }
    return out;
  }

  // The "restricted" Pod Security Standard as far as the image allows: one that runs as root keeps the
  // capabilities that starting as root and changing the user needs, all of them within "baseline".
  void secure(json& pod, json& container) const {
    const auto user = value(params_, "user", config_.user);
    const auto colon = user.find(':');
    const auto uid = user.substr(0, colon), gid = colon == std::string::npos ? "" : user.substr(colon + 1);
    const auto numeric = [](const std::string& text) {
      return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
    };
    json security = {{"seccompProfile", {{"type", "RuntimeDefault"}}}};
    const bool root = uid.empty() || uid == "0" || uid == "root";
    if (params_.contains("user")) {
      if (!numeric(uid) || (!gid.empty() && !numeric(gid)))
        throw Error(ExitCode::usage, fmt::format("the user `{}` is a name: clusters take numbers only", user))
            .hint("write the number of /etc/passwd in the image: `user: 1000`");
      security["runAsUser"] = std::stoi(uid);
      if (!gid.empty()) security["runAsGroup"] = std::stoi(gid);
    }
    if (!root && numeric(uid)) {
      security["runAsNonRoot"] = true;
      if (!named_volumes().empty()) security["fsGroup"] = std::stoi(numeric(gid) ? gid : uid);
    }
    json capabilities = {{"drop", {"ALL"}}};
    if (root)
      capabilities["add"] = {"CHOWN", "DAC_OVERRIDE",     "FOWNER", "FSETID",
                             "KILL",  "NET_BIND_SERVICE", "SETGID", "SETUID"};
    container["securityContext"] = {{"allowPrivilegeEscalation", false}, {"capabilities", capabilities}};
    pod["securityContext"] = std::move(security);
  }

  std::vector<std::pair<std::string, std::string>> named_volumes() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& text : value(params_, "volumes", std::vector<std::string>{})) {
      const auto colon = text.find(':');
      if (colon == std::string::npos || text.find('/') < colon)
        throw Error(ExitCode::usage, fmt::format("`{}` is no volume", text)).hint("write `NAME:/path`");
      check_name(text.substr(0, colon), "volume");
      out.emplace_back(text.substr(0, colon), text.substr(colon + 1));
    }
    return out;
  }

  json make_workload(json pod) const {
    json spec = {{"selector", {{"matchLabels", pod_labels()}}},
                 {"replicas", first_replicas()},
                 {"revisionHistoryLimit", 3},
                 {"template", std::move(pod)}};
    if (!keeps_data()) {
      spec["strategy"] = {{"type", "RollingUpdate"},
                          {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}};
      return {{"apiVersion", "apps/v1"},
              {"kind", "Deployment"},
              {"metadata", metadata(name_)},
              {"spec", std::move(spec)}};
    }
    spec["serviceName"] = name_;
    for (const auto& [volume, path] : named_volumes())
      spec["volumeClaimTemplates"].push_back(
          {{"apiVersion", "v1"},
           {"kind", "PersistentVolumeClaim"},
           {"metadata", {{"name", volume}}},
           {"spec",
            {{"accessModes", {"ReadWriteOnce"}}, {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}});
    return {{"apiVersion", "apps/v1"},
            {"kind", "StatefulSet"},
            {"metadata", metadata(name_)},
            {"spec", std::move(spec)}};
  }

  std::optional<json> make_service() const {
    if (ports_.empty()) return std::nullopt;
    json ports = json::array();
    for (const int port : ports_)
      ports.push_back({{"name", fmt::format("port-{}", port)},
                       {"port", port},
                       {"targetPort", port},
                       {"protocol", "TCP"}});
    return json{{"apiVersion", "v1"},
                {"kind", "Service"},
                {"metadata", metadata(name_)},
                {"spec", {{"type", "ClusterIP"}, {"selector", pod_labels()}, {"ports", ports}}}};
  }

  // The service's own pod, with another command and nobody who asks for its health.
  json job(const char* when, json pod) const {
    const auto& hook = params_[when];
    auto& container = pod["spec"]["containers"][0];
    container["command"] = hook["run"];
    for (const char* key : {"args", "ports", "readinessProbe", "lifecycle"}) container.erase(key);
    pod["spec"]["restartPolicy"] = "Never";
    pod["metadata"]["labels"] = job_labels(when);
    return {{"apiVersion", "batch/v1"},
            {"kind", "Job"},
            {"metadata", metadata(fmt::format("{}-{}", name_, when))},
            {"spec",
             {{"backoffLimit", 0},  // a migration that failed is not run again unasked
              {"activeDeadlineSeconds", seconds(value(hook, "timeout_ms", std::int64_t{600'000}))},
              {"template", std::move(pod)}}}};
  }

  // Not those of the service: it would get requests.
  json job_labels(const char* when) const {
    auto out = selector_of(place_, fmt::format("{}-{}", name_, when));
    out[kServiceLabel] = name_;
    out[kPartLabel] = when;
    return out;
  }

  json ingress() const {
    const auto& way = params_["ingress"];
    if (ports_.empty()) throw Error(ExitCode::usage, "it has an ingress and no port").hint("add `port`");
    const json backend = {{"service", {{"name", name_}, {"port", {{"number", ports_[0]}}}}}};
    json spec = {
        {"rules",
         {{{"host", way["host"]},
           {"http", {{"paths", {{{"path", way["path"]}, {"pathType", "Prefix"}, {"backend", backend}}}}}}}}}};
    if (way.contains("class")) spec["ingressClassName"] = way["class"];
    if (way.contains("tls")) spec["tls"] = {{{"hosts", {way["host"]}}, {"secretName", way["tls"]}}};
    return {{"apiVersion", "networking.k8s.io/v1"},
            {"kind", "Ingress"},
            {"metadata", metadata(name_)},
            {"spec", std::move(spec)}};
  }

  json declared() const {
    json out = params_;
    for (const char* key : {"publish", "image", "strategy"}) out.erase(key);
    return out;
  }

  std::string name_;
  const json& params_;
  const Invocation& invocation_;
  const Place& place_;
  Secrets secrets_;
  oci::ImageConfig config_;
  std::string reference_;
  std::vector<int> ports_;
  json probe_;
  std::int64_t ready_within_ = 0;
};

}  // namespace

json Place::labels() const {
  return {{"app.kubernetes.io/part-of", project},
          {"app.kubernetes.io/managed-by", "slipway"},
          {"slipway.dev/environment", environment}};
}

std::string Place::selector() const {
  return fmt::format(
      "app.kubernetes.io/managed-by=slipway,app.kubernetes.io/part-of={},slipway.dev/environment={}", project,
      environment);
}

std::string service_of(const json& pod) {
  const auto at = "/metadata/labels"_json_pointer;
  const auto& labels = pod.contains(at) ? pod.at(at) : json::object();
  const auto part = labels.value(kPartLabel, "");
  return labels.value(kServiceLabel, "") + (part.empty() ? "" : "." + part);
}

std::vector<ServiceObjects> generate(const Invocation& invocation, const Place& place,
                                     const oci::Store& store, Secrets secrets) {
  check_name(place.project, "project");
  check_name(place.environment, "environment");
  const auto& services = invocation.params.at("services");
  std::map<std::string, std::vector<std::string>> dependents;
  for (const auto& [name, params] : services.items())
    for (const auto& [on, _] : texts(params, "depends_on")) dependents[on].push_back(name);
  std::vector<ServiceObjects> out;
  std::map<std::string, std::vector<std::string>> parts;
  for (const auto& [name, params] : services.items()) {
    try {
      for (const auto& [on, _] : texts(params, "depends_on"))
        if (!services.contains(on))
          throw Error(ExitCode::usage,
                      fmt::format("it depends on `{}`, which is no service of this release", on));
      for (auto& one : Service(name, params, invocation, place, store, secrets).objects(dependents[name])) {
        if (one.name != name) parts[name].push_back(one.name);
        out.push_back(std::move(one));
      }
    } catch (Error& e) {
      e.trail(fmt::format("in service `{}`", name));
      throw;
    }
  }
  // Who waits for a service waits for all of it.
  for (auto& one : out)
    for (const auto& [on, until] : std::map(one.depends_on))
      for (const auto& part : parts[on]) one.depends_on[part] = until;
  return out;
}

std::optional<json::json_pointer> pod_of(const json& object) {
  if (object.value("kind", "") == "Pod") return json::json_pointer();
  for (const char* at : {"/spec/template", "/spec/jobTemplate/spec/template"})
    if (const json::json_pointer pointer(at); object.contains(pointer / "spec")) return pointer;
  return std::nullopt;
}

std::map<std::string, std::string> images_of(const json& workload) {
  std::map<std::string, std::string> out;
  for (const auto& container : workload.value("/spec/template/spec/containers"_json_pointer, json::array()))
    out[container.value("name", "")] = container.value("image", "");
  return out;
}

}  // namespace slipway::kubernetes
