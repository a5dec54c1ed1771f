#include "plugins/swarm/plugin.h"

#include "plugins/swarm/actions.h"
#include "plugins/swarm/describe.h"

namespace slipway {

namespace swarm {

namespace {

json target_of(const Invocation& invocation) {
  return invocation.params.value("target", json::object());
}

oci::EngineEndpoint endpoint_of(const Invocation& invocation) {
  const auto target = target_of(invocation);
  oci::EngineChoice choice;
  choice.host = target.value("host", "");
  choice.context = target.value("context", "");
  const auto tls = target.value("tls", json::object());
  for (const auto& [name, file] :
       {std::pair{"ca", &choice.tls.ca}, {"cert", &choice.tls.cert}, {"key", &choice.tls.key}})
    if (const auto path = tls.value(name, ""); !path.empty()) *file = invocation.project_dir / path;
  return find_engine(choice);
}

Settings settings_of(const Invocation& invocation) {
  const auto target = target_of(invocation);
  Settings out;
  out.prune = target.value("prune", true);
  out.deadline = Millis(target.value("deadline_ms", std::int64_t{600'000}));
  if (target.contains("stable_ms")) out.stable = Millis(target["stable_ms"].get<std::int64_t>());
  out.encrypted = target.value("encrypted", true);
  out.host_ports = target.value("publish_mode", "") == "host";
  out.virtual_address = target.value("endpoint_mode", "") != "dnsrr";
  out.update_order = target.value("update_order", "");
  return out;
}

Place place_of(const Invocation& invocation) {
  return {invocation.params.at("project").get<std::string>(),
          invocation.params.at("environment").get<std::string>()};
}

// The login of the registry, for the nodes.
std::string registry_of(const Invocation& invocation) {
  const auto name = invocation.params.value("credentials", "");
  const auto it = invocation.secrets.find(name);
  return it == invocation.secrets.end() ? "" : it->second.reveal();
}

class Swarm : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  Outcome run(const Invocation& invocation, Context& context) override {
    if (invocation.action == "render") return Outcome::success({{"manifests", manifests(invocation)}});
    const auto place = place_of(invocation);
    EngineApi api(endpoint_of(invocation), context.stop(),
                  [&](const std::string& text) { context.log(text + "\n", true); });
    if (invocation.action == "apply") return apply(invocation, api, place, context);
    if (invocation.action == "status") return status(api, place);
    if (invocation.action == "logs") return logs(api, place, invocation.params, context);
    if (invocation.action == "rollback")
      return rollback(api, place, settings_of(invocation), invocation.params, context);
    if (invocation.action == "down") return down(api, place, invocation.params, context);
    throw Error(ExitCode::usage, fmt::format("the swarm target has no action `{}`", invocation.action));
  }

  json preview(const Invocation& invocation, Context& context) override {
    if (invocation.action == "render") return {{"manifests", manifests(invocation)}, {"changes", false}};
    if (invocation.action != "apply") return Plugin::preview(invocation, context);
    const auto place = place_of(invocation);
    const auto settings = settings_of(invocation);
    Contents contents;
    const auto services = generate(invocation, place, settings, oci::open_user_store(invocation.cache_dir),
                                   Secrets::unknown, "", contents);
    EngineApi api(endpoint_of(invocation), context.stop());
    Records records(api, place);
    records.load();
    Rollout rollout(api, place, settings, "", records, context);
    auto lines = rollout.foresee(services);
    const bool changes = !lines.empty();
    if (!changes) lines.push_back("all run as they should, unless a secret has changed");
    return {{"lines", lines}, {"changes", changes}};
  }

 private:
  static Outcome apply(const Invocation& invocation, EngineApi& api, const Place& place, Context& context) {
    const auto settings = settings_of(invocation);
    const auto registry = registry_of(invocation);
    Records records(api, place);
    records.load();
    // Volumes are of one node, the first that was asked; a service that has one stays there.
    auto node = records.state.data_node;
    if (node.empty()) node = api.get("/info").value("/Swarm/NodeID"_json_pointer, "");
    Contents contents;
    const auto services = generate(invocation, place, settings, oci::open_user_store(invocation.cache_dir),
                                   Secrets::given, node, contents);
    {
      Rollout look(api, place, settings, registry, records, context);
      if (look.is_done(services)) {
        int replicas = 0;
        for (const auto& service : services) replicas += service.replicas();
        context.log(fmt::format("nothing to do: {} replica{} of {} service{} run as they should\n", replicas,
                                replicas == 1 ? "" : "s", services.size(), services.size() == 1 ? "" : "s"));
        return Outcome::success({{"release", records.state.release},
                                 {"previous", records.state.release},
                                 {"changed", json::array()},
                                 {"urls", urls_of(services, api)}});
      }
    }
    Lock lock(api, place, records);
    records.state.data_node = node;
    Rollout rollout(api, place, settings, registry, records, context);
    return rollout.run(services, contents, "", lock);
  }

  // Without a word to the swarm.
  static std::string manifests(const Invocation& invocation) {
    const auto place = place_of(invocation);
    const auto settings = settings_of(invocation);
    Contents contents;
    const auto services = generate(invocation, place, settings, oci::open_user_store(invocation.cache_dir),
                                   Secrets::unknown, "", contents);
    return render(place, services, contents, settings.encrypted);
  }

  PluginInfo info_ = describe();
};

}  // namespace

}  // namespace swarm

std::unique_ptr<Plugin> make_swarm_plugin() {
  return std::make_unique<swarm::Swarm>();
}

}  // namespace slipway
