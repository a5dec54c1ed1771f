#include "plugins/swarm/objects.h"

#include <algorithm>

#include "oci/reference.h"
#include "sys/base64.h"

namespace slipway::swarm {

namespace {

constexpr Millis kGoneLimit{90'000};
constexpr int kTries = 6;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool is_in_use(const EngineError& error) {
  return contains(error.message(), "in use") || contains(error.message(), "active endpoints");
}

oci::EngineRequest post(std::string path, json body) {
  oci::EngineRequest request;
  request.method = "POST";
  request.path = std::move(path);
  request.body = std::move(body);
  return request;
}

json labels_of(const json& object) {
  return object.value("/Spec/Labels"_json_pointer, json::object());
}

std::string name_of(const json& object) {
  return object.value("/Spec/Name"_json_pointer, "");
}

// RFC 4648 section 5, as X-Registry-Auth wants it.
std::string base64_url(std::string_view bytes) {
  auto out = base64_encode(bytes);
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

// What the nodes log in with, or "".
std::string login_for(const std::string& image, const std::string& config) {
  const auto reference = oci::Reference::parse(image);
  const auto found = oci::find_credentials(reference.registry, config);
  if (found.empty()) return "";
  json login = {{"serveraddress", reference.registry}};
  if (found.username == "<token>") {
    login["identitytoken"] = found.password.reveal();
  } else {
    login["username"] = found.username;
    login["password"] = found.password.reveal();
  }
  return base64_url(login.dump());
}

// The port that two services cannot both have, or 0.
int shared_port(const json& one, const json& other) {
  const auto ports = "/EndpointSpec/Ports"_json_pointer;
  for (const auto& a : one.value(ports, json::array()))
    for (const auto& b : other.value(ports, json::array()))
      if (a.value("PublishedPort", 0) == b.value("PublishedPort", 0) &&
          a.value("Protocol", "tcp") == b.value("Protocol", "tcp"))
        return a.value("PublishedPort", 0);
  return 0;
}

}  // namespace

bool may_be_written(const EngineError& error) {
  return error.status == 0 || error.status == 409 || error.status >= 500;
}

void remove_object(EngineApi& api, const std::string& path) {
  oci::EngineRequest request;
  request.method = "DELETE";
  request.path = path;
  try {
    api.call(std::move(request));
  } catch (const EngineError& e) {
    if (e.status != 404) throw;
  }
}

void Objects::look() {
  services_.clear();
  foreign_.clear();
  for (auto& service : api_.get("/services")) {
    auto& into = place_.is_ours(labels_of(service)) ? services_ : foreign_;
    const auto name = name_of(service);
    into[name] = std::move(service);
  }
  const auto by_name = [&](const char* path, std::map<std::string, json>& into) {
    into.clear();
    for (auto& object : api_.get(path, {{"filters", place_.filters()}})) {
      if (labels_of(object).contains(label::record)) continue;
      const auto name = object.contains("Name") ? object.value("Name", "") : name_of(object);
      into[name] = std::move(object);
    }
  };
  by_name("/networks", networks_);
  by_name("/secrets", secrets_);
  by_name("/configs", configs_);
}

void Objects::check_ours(const std::vector<ServiceSpec>& services) const {
  for (const auto& service : services) {
    if (foreign_.contains(service.full_name()))
      throw Error(ExitCode::denied, fmt::format("the service `{}` is there already and not of `{}`",
                                                service.full_name(), place_.title()))
          .hint("give the service or the project another name, or remove that service first");
    for (const auto& [name, other] : foreign_)
      if (const int port = shared_port(service.spec, other.value("Spec", json::object())))
        throw Error(ExitCode::denied,
                    fmt::format("`{}` publishes port {}, which the service `{}` of this swarm has",
                                service.name, port, name))
            .hint("publish another port");
  }
}

json Objects::create(const char* kind, const std::string& name, json body) {
  const auto path = fmt::format("/{}s", kind);
  body["Name"] = name;
  body["Labels"] = place_.labels();
  for (int tries = 0;; ++tries) {
    try {
      const auto answer = api_.call(post(path + "/create", body));
      const auto id = answer.is_object() ? answer.value("ID", answer.value("Id", "")) : "";
      if (!id.empty()) return {{"ID", id}, {"Id", id}};
    } catch (const EngineError& e) {
      if (!may_be_written(e) || tries >= kTries) throw;
      if (e.status != 409) api_.wait(Millis(100 << tries));
    }
    // The answer was lost, or it is there.
    const auto found = api_.find(path + "/" + oci::percent_encoded(name));
    if (!found) continue;
    if (!place_.is_ours(found->contains("Labels") ? found->at("Labels") : labels_of(*found)))
      throw Error(ExitCode::denied,
                  fmt::format("the {} `{}` is there already and not of `{}`", kind, name, place_.title()))
          .hint(fmt::format("remove it with `docker {} rm`, or give the project another name", kind));
    return *found;
  }
}

json Objects::make_network(const std::string& name) {
  json body = {{"Driver", "overlay"}};
  if (name == network_name(place_, true)) body["Options"] = {{"encrypted", ""}};
  return create("network", name, std::move(body));
}

void Objects::make(const Uses& uses, const Contents& contents) {
  for (const auto& name : uses.networks) {
    if (!networks_.contains(name)) networks_[name] = make_network(name);
  }
  const auto each = [&](const char* kind, const std::set<std::string>& names,
                        const std::map<std::string, std::string>& known, std::map<std::string, json>& into) {
    for (const auto& name : names) {
      if (into.contains(name)) continue;
      const auto content = known.find(name);
      if (content == known.end())
        throw Error(ExitCode::denied, fmt::format("the {} `{}` of that release is gone", kind, name))
            .hint("its content is kept in the swarm only: run `slipway run` with the secrets at hand");
      if (content->second.empty())
        throw Error(ExitCode::usage,
                    fmt::format("the {} `{}` is empty, which a swarm does not take", kind, name));
      into[name] = create(kind, name, {{"Data", base64_encode(content->second)}});
    }
  };
  each("secret", uses.secrets, contents.secrets, secrets_);
  each("config", uses.configs, contents.configs, configs_);
}

json Objects::resolved(json spec) const {
  auto& task = spec["TaskTemplate"];
  const auto id = [](const std::map<std::string, json>& known, const std::string& name, const char* key) {
    const auto it = known.find(name);
    if (it == known.end()) throw Error(ExitCode::internal, fmt::format("`{}` was not made", name));
    return it->second.value(key, "");
  };
  for (auto& network : task["Networks"]) network["Target"] = id(networks_, network.value("Target", ""), "Id");
  auto& container = task["ContainerSpec"];
  if (container.contains("Secrets"))
    for (auto& one : container["Secrets"]) one["SecretID"] = id(secrets_, one.value("SecretName", ""), "ID");
  if (container.contains("Configs"))
    for (auto& one : container["Configs"]) one["ConfigID"] = id(configs_, one.value("ConfigName", ""), "ID");
  return spec;
}

json Objects::write(const json& spec) {
  const auto name = spec.at("Name").get<std::string>();
  const auto wanted = spec.at("Labels").value(label::spec, "");
  auto body = resolved(spec);
  const auto login = login_for(spec.value("/TaskTemplate/ContainerSpec/Image"_json_pointer, ""), registry_);
  std::optional<std::int64_t> refused;  // a version that was not the newest any more
  for (int tries = 0;; ++tries) {
    const auto now = api_.find("/services/" + oci::percent_encoded(name));
    if (now && !place_.is_ours(labels_of(*now)))
      throw Error(ExitCode::denied,
                  fmt::format("the service `{}` is there already and not of `{}`", name, place_.title()))
          .hint("give the service or the project another name, or remove that service first");
    const auto version = now ? now->value("/Version/Index"_json_pointer, std::int64_t{0}) : 0;
    auto request = post("/services/create", body);
    if (now) {
      request.path = "/services/" + now->value("ID", "") + "/update";
      request.query["version"] = std::to_string(version);
      if (login.empty()) request.query["registryAuthFrom"] = "spec";
    }
    if (!login.empty()) request.headers["X-Registry-Auth"] = login;
    try {
      api_.call(std::move(request));
    } catch (const EngineError& e) {
      // The swarm has removed it, and this engine still shows what it had of it.
      if (e.status == 404 && e.message().starts_with("network ") && tries < kTries) {
        Uses uses;
        add_uses(spec, uses);
        for (const auto& network : uses.networks) networks_[network] = make_network(network);
        body = resolved(spec);
        continue;
      }
      if (!may_be_written(e)) {
        Error out = e;
        throw out.trail(fmt::format("while writing the service `{}`", name));
      }
      const bool outrun = contains(e.message(), "out of sequence");
      if (outrun && refused)
        throw Error(ExitCode::denied,
                    fmt::format("the service `{}` is changed by somebody else at this moment", name))
            .hint("`docker service inspect` shows what it is now; run again when they are done");
      if (outrun) refused = version;
      if (tries >= kTries) throw;
      // A lost answer may be that of a write that was done.
      if (const auto after = api_.find("/services/" + oci::percent_encoded(name));
          after && labels_of(*after).value(label::spec, "") == wanted &&
          after->value("/Version/Index"_json_pointer, std::int64_t{0}) != version)
        return services_[name] = *after;
      if (!outrun) api_.wait(Millis(100 << tries));
      continue;
    }
    const auto made = api_.find("/services/" + oci::percent_encoded(name));
    if (!made) throw Error(ExitCode::denied, fmt::format("somebody removed the service `{}` just now", name));
    return services_[name] = *made;
  }
}

std::map<std::string, std::vector<json>> Objects::tasks() const {
  std::map<std::string, std::string> names;
  for (const auto& [name, service] : services_) names[service.value("ID", "")] = name;
  std::map<std::string, std::vector<json>> out;
  if (names.empty()) return out;
  for (auto& task : api_.get("/tasks", {{"filters", place_.filters()}})) {
    const auto it = names.find(task.value("ServiceID", ""));
    if (it != names.end()) out[it->second].push_back(std::move(task));
  }
  return out;
}

void Objects::remove_service(const std::string& full_name) {
  const auto it = services_.find(full_name);
  if (it == services_.end()) return;
  remove_object(api_, "/services/" + it->second.value("ID", ""));
  services_.erase(it);
}

void Objects::collect(const Uses& used, bool wait) {
  const auto until = std::chrono::steady_clock::now() + kGoneLimit;
  Millis pause(100);
  for (;;) {
    std::string still;
    const auto each = [&](const char* kind, const char* key, std::map<std::string, json>& known,
                          const std::set<std::string>& keep) {
      for (auto it = known.begin(); it != known.end();) {
        if (!keep.contains(it->first)) {
          try {
            const auto path = fmt::format("/{}s/{}", kind, it->second.value(key, ""));
            remove_object(api_, path);
            // This engine shows a network until its last container has let go of it.
            if (!wait || std::string_view(kind) != "network" || !api_.find(path)) {
              it = known.erase(it);
              continue;
            }
            still = fmt::format("the network `{}` does not go away", it->first);
          } catch (const EngineError& e) {
            if (!is_in_use(e)) throw;
            still = fmt::format("the {} `{}` is still in use: {}", kind, it->first, e.message());
          }
        }
        ++it;
      }
    };
    each("secret", "ID", secrets_, used.secrets);
    each("config", "ID", configs_, used.configs);
    each("network", "Id", networks_, used.networks);
    if (still.empty() || !wait) return;
    if (std::chrono::steady_clock::now() > until)
      throw Error(ExitCode::timeout, still).hint("a container may take its time to end: run this again");
    api_.wait(pause);
    pause = std::min(pause * 2, Millis(1'000));
  }
}

int Objects::nodes() const {
  int out = 0;
  for (const auto& node : api_.get("/nodes"))
    out += node.value("/Spec/Availability"_json_pointer, "") == "active" &&
           node.value("/Status/State"_json_pointer, "") == "ready";
  return out;
}

}  // namespace slipway::swarm
