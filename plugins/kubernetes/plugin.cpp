#include "plugins/kubernetes/plugin.h"

#include "oci/service_secrets.h"
#include "plugins/kubernetes/actions.h"
#include "plugins/kubernetes/describe.h"
#include "plugins/kubernetes/diff.h"
#include "plugins/kubernetes/lease.h"

namespace slipway {

namespace kubernetes {

namespace {

json target_of(const Invocation& invocation) {
  return invocation.params.value("target", json::object());
}

Connection connect(const Invocation& invocation) {
  const auto target = target_of(invocation);
  return find_connection({target.value("kubeconfig", ""), target.value("context", ""),
                          target.value("namespace", ""), invocation.project_dir});
}

Settings settings_of(const Invocation& invocation) {
  const auto target = target_of(invocation);
  Settings out;
  out.prune = target.value("prune", true);
  for (const auto& field : target.value("take_over", std::vector<std::string>{})) out.take_over.insert(field);
  out.deadline = Millis(target.value("deadline_ms", std::int64_t{600'000}));
  out.stable = Millis(target.value("stable_ms", std::int64_t{0}));
  return out;
}

std::size_t replicas_of(const std::vector<ServiceObjects>& services) {
  std::size_t out = 0;
  for (const auto& service : services)
    out += service.workload.value("/spec/replicas"_json_pointer, std::size_t{1});
  return out;
}

// Before the first record or lock is written into it. One who may not look at namespaces has one already.
void make_namespace(Api& api, const Place& place, const json& manifest) {
  try {
    if (api.find("/api/v1/namespaces/" + url_encoded(place.name_space))) return;
  } catch (const ApiError& e) {
    if (e.status != 403) throw;
    return;
  }
  Request request;
  request.method = "POST";
  request.path = "/api/v1/namespaces";
  request.query["fieldManager"] = "slipway";
  request.body = manifest;
  try {
    api.call(std::move(request));
  } catch (const ApiError& e) {
    if (e.reason != "AlreadyExists") throw;
  }
}

// The target's, when the user asks for it there or in own manifests.
std::optional<json> wanted_namespace(const Invocation& invocation, const Place& place,
                                     const std::vector<ServiceObjects>& services) {
  for (const auto& service : services)
    for (const auto& object : service.config)
      if (object.value("kind", "") == "Namespace" && key_of(object).name == place.name_space) return object;
  if (!target_of(invocation).value("create_namespace", false)) return std::nullopt;
  return json{{"apiVersion", "v1"},
              {"kind", "Namespace"},
              {"metadata", {{"name", place.name_space}, {"labels", place.labels()}}}};
}

// A look ahead is given no secrets; the preview that an approval shows has them.
bool knows_secrets(const Invocation& invocation) {
  const auto names = oci::secrets_of(invocation.params.at("services"));
  return std::all_of(names.begin(), names.end(),
                     [&](const auto& name) { return invocation.secrets.contains(name); });
}

class Kubernetes : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  Outcome run(const Invocation& invocation, Context& context) override {
    if (invocation.action == "render") return Outcome::success({{"manifests", manifests(invocation)}});
    auto connection = connect(invocation);
    const auto place = place_of(invocation, connection);
    Api api(std::move(connection), context.stop(),
            [&](const std::string& text) { context.log(text + "\n", true); });
    if (invocation.action == "apply") return apply(invocation, api, place, context);
    if (invocation.action == "diff") return Outcome::success(compared(invocation, api, place, context));
    if (invocation.action == "status") return status(api, place);
    if (invocation.action == "logs") return logs(api, place, invocation.params, context);
    if (invocation.action == "rollback")
      return rollback(api, place, settings_of(invocation), invocation, context);
    if (invocation.action == "promote" || invocation.action == "abort")
      return decide(api, place, settings_of(invocation), invocation, context);
    if (invocation.action == "down") return down(api, place, invocation.params, context);
    throw Error(ExitCode::usage, fmt::format("the kubernetes target has no action `{}`", invocation.action));
  }

  json preview(const Invocation& invocation, Context& context) override {
    if (invocation.action == "render") return {{"manifests", manifests(invocation)}, {"changes", false}};
    if (invocation.action == "status")
      return {{"outputs", run(invocation, context).outputs}, {"changes", false}};
    if (invocation.action != "apply" && invocation.action != "diff")
      return Plugin::preview(invocation, context);
    auto connection = connect(invocation);
    const auto place = place_of(invocation, connection);
    if (invocation.action == "diff") {
      Api api(std::move(connection), context.stop());
      return compared(invocation, api, place, context);
    }
    const auto store = oci::open_user_store(invocation.cache_dir);
    const auto services = generate(invocation, place, store, Secrets::unknown);
    Api api(std::move(connection), context.stop());
    const auto settings = settings_of(invocation);
    Rollout rollout(api, place, settings, context, invocation.project_dir);
    auto lines = rollout.foresee(services);
    const bool known = knows_secrets(invocation);
    if (lines.empty() && known && !rollout.is_done(generate(invocation, place, store, Secrets::given)))
      lines.push_back("something is to be done: a secret has another value, or a replica is not well");
    const bool changes = !lines.empty();
    if (!changes)
      lines.push_back(std::string("all run as they should") + (known ? "" : ", unless a secret has changed"));
    return {{"lines", lines}, {"changes", changes}, {"unsure", !known}};
  }

 private:
  static Place place_of(const Invocation& invocation, const Connection& connection) {
    return {invocation.params.at("project").get<std::string>(),
            invocation.params.at("environment").get<std::string>(), connection.name_space};
  }

  static Outcome apply(const Invocation& invocation, Api& api, const Place& place, Context& context) {
    const auto services =
        generate(invocation, place, oci::open_user_store(invocation.cache_dir), Secrets::given);
    const auto settings = settings_of(invocation);
    if (const auto manifest = wanted_namespace(invocation, place, services))
      make_namespace(api, place, *manifest);
    {
      Rollout look(api, place, settings, context, invocation.project_dir);
      if (look.is_done(services)) {
        const auto replicas = replicas_of(services);
        context.log(fmt::format("nothing to do: {} replica{} of {} service{} run as they should\n", replicas,
                                replicas == 1 ? "" : "s", services.size(), services.size() == 1 ? "" : "s"));
        return Outcome::success({{"release", look.state().release},
                                 {"previous", look.state().release},
                                 {"changed", json::array()},
                                 {"urls", urls_of(services)}});
      }
    }
    Lease lease(api, place);
    // What serves is looked at again, under the lock.
    Rollout rollout(api, place, settings, context, invocation.project_dir);
    return rollout.run(services, "", [&] { lease.check(); });
  }

  static json compared(const Invocation& invocation, Api& api, const Place& place, Context& context) {
    const auto services =
        generate(invocation, place, oci::open_user_store(invocation.cache_dir), Secrets::given);
    const auto settings = settings_of(invocation);
    Rollout rollout(api, place, settings, context, invocation.project_dir);
    auto out = diff(rollout, services);
    out["namespace"] = place.name_space;
    return out;
  }

  // Without a word to the cluster.
  static std::string manifests(const Invocation& invocation) {
    Place place = {invocation.params.at("project").get<std::string>(),
                   invocation.params.at("environment").get<std::string>(), "default"};
    try {
      place = place_of(invocation, connect(invocation));
    } catch (const Error&) {  // no kubeconfig here: only its namespace is missing
      place.name_space = target_of(invocation).value("namespace", std::string("default"));
    }
    return render(generate(invocation, place, oci::open_user_store(invocation.cache_dir), Secrets::unknown));
  }

  PluginInfo info_ = describe();
};

}  // namespace

}  // namespace kubernetes

std::unique_ptr<Plugin> make_kubernetes_plugin() {
  return std::make_unique<kubernetes::Kubernetes>();
}

}  // namespace slipway
