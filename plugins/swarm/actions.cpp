#include "plugins/swarm/actions.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "plugins/swarm/judge.h"
#include "sys/yaml_reader.h"

namespace slipway::swarm {

namespace {

std::vector<std::string> ids_of(const std::vector<Release>& releases) {
  std::vector<std::string> out;
  for (const auto& release : releases) out.push_back(release.id);
  return out;
}

json status_of(const ServiceSpec& service, const json& now, const std::vector<json>& tasks) {
  std::set<std::string> ended;
  for (const auto& task : tasks)
    if (has_ended(task)) ended.insert(task.value("ID", ""));
  const auto verdict = judge(service, now, tasks, ended);
  const auto image = service.image();
  json entry = {{"name", service.name},
                {"image", image.substr(image.find('@') + 1)},
                {"wanted", now.is_null() ? service.replicas()
                                         : now.value("/Spec/Mode/Replicated/Replicas"_json_pointer, 1)},
                {"ready", verdict.ready},
                {"replicas", json::array()}};
  if (verdict.state != Verdict::State::ready) entry["why"] = verdict.why;
  std::map<int, int> exits;
  for (const auto& task : tasks)
    if (has_ended(task) && state_of(task) != "shutdown" && task_hash(task) == service.task_hash())
      ++exits[task.value("Slot", 0)];
  for (const auto& task : tasks) {
    if (has_ended(task) || task.value("DesiredState", "") == "shutdown") continue;
    const auto slot = task.value("Slot", 0);
    const auto addresses = task.value("/NetworksAttachments/0/Addresses/0"_json_pointer, std::string());
    entry["replicas"].push_back({{"id", fmt::format("{}.{}", service.name, slot)},
                                 {"address", addresses.substr(0, addresses.find('/'))},
                                 {"status", state_of(task)},
                                 {"health", is_running(task) ? "healthy" : "unhealthy"},
                                 {"exits", exits[slot]}});
  }
  return entry;
}

}  // namespace

Outcome status(EngineApi& api, const Place& place) {
  Records records(api, place);
  records.load();
  const auto& state = records.state;
  const auto releases = records.releases();
  json out = {{"project", place.project},
              {"environment", place.environment},
              {"release", state.release},
              {"services", json::array()},
              {"releases", json::array()}};
  if (!state.rollout.empty()) out["rollout"] = state.rollout;
  const Release* current = nullptr;
  for (const auto& release : releases) {
    json entry = {{"id", release.id}, {"state", release.state}, {"created", format_utc(release.created)}};
    if (!release.rollback_of.empty()) entry["rollback_of"] = release.rollback_of;
    if (release.id == state.release) {
      current = &release;
      out["created"] = entry["created"];
    }
    out["releases"].push_back(std::move(entry));
  }
  if (!current) return Outcome::success(std::move(out));
  Objects objects(api, place, "");
  objects.look();
  const auto tasks = objects.tasks();
  const auto urls = urls_of(current->services, api);
  for (const auto& service : current->services) {
    const auto now = objects.services().find(service.full_name());
    const auto own = tasks.find(service.full_name());
    const bool there = now != objects.services().end();
    auto entry = status_of(service, there ? now->second : json(),
                           own == tasks.end() ? std::vector<json>{} : own->second);
    entry["release"] = current->id;
    if (urls.contains(service.name)) entry["url"] = urls[service.name];
    if (there && state.rollout.empty()) {
      const auto& spec = now->second.at("Spec");
      const auto seen = state.seen.find(service.name);
      if (spec.value("/TaskTemplate/ContainerSpec/Image"_json_pointer, "") != service.image())
        entry["drift"] = "its image was changed by somebody else";
      else if (seen == state.seen.end() || seen->second != hash_of(spec))
        entry["drift"] = "it was changed since the rollout";
    }
    out["services"].push_back(std::move(entry));
  }
  return Outcome::success(std::move(out));
}

Outcome rollback(EngineApi& api, const Place& place, const Settings& settings, const json& params,
                 Context& context) {
  Records records(api, place);
  Lock lock(api, place, records);
  Rollout rollout(api, place, settings, "", records, context);
  const auto releases = records.releases();
  const auto find = [&](const std::string& id) -> const Release* {
    for (const auto& release : releases)
      if (release.id == id) return &release;
    return nullptr;
  };
  auto wanted = params.value("release", std::string());
  if (wanted.empty()) {
    const auto* current = find(records.state.release);
    if (!current) throw Error(ExitCode::usage, fmt::format("nothing is rolled out in `{}`", place.title()));
    if (current->previous.empty() || !find(current->previous))
      throw Error(ExitCode::usage, fmt::format("there is no release before `{}`", current->id))
          .hint("`slipway status` lists those that are kept");
    wanted = current->previous;
  }
  const auto* release = find(wanted);
  if (!release)
    throw Error(ExitCode::usage, fmt::format("there is no release `{}`", wanted))
        .hint(suggestion_hint(wanted, ids_of(releases)));
  if (release->state != "good")
    throw Error(ExitCode::usage, fmt::format("release `{}` never became healthy", wanted))
        .hint("`slipway status` lists the good ones");
  if (rollout.is_done(release->services))
    return Outcome::success({{"release", records.state.release},
                             {"rolled_back_to", wanted},
                             {"changed", json::array()},
                             {"urls", urls_of(release->services, api)}});
  auto outcome = rollout.run(release->services, {}, wanted, lock);
  if (outcome.ok) outcome.outputs["rolled_back_to"] = wanted;
  return outcome;
}

Outcome down(EngineApi& api, const Place& place, const json& params, Context& context) {
  Records records(api, place);
  Lock lock(api, place, records);
  Objects objects(api, place, "");
  objects.look();
  std::vector<std::string> names;
  std::size_t replicas = 0;
  for (const auto& [name, service] : objects.services()) {
    names.push_back(name);
    replicas += service.value("/Spec/Mode/Replicated/Replicas"_json_pointer, std::size_t{1});
  }
  if (!names.empty())
    context.log(fmt::format("removing {} service{} of {}\n", names.size(), names.size() == 1 ? "" : "s",
                            place.title()));
  for (const auto& name : names) objects.remove_service(name);
  objects.collect({}, true);
  json kept = json::array();
  const auto volumes = api.get("/volumes", {{"filters", place.filters()}}).value("Volumes", json());
  if (volumes.is_array())
    for (const auto& volume : volumes) {
      const auto name = volume.value("Name", "");
      if (params.value("volumes", false))
        remove_object(api, "/volumes/" + oci::percent_encoded(name));
      else
        kept.push_back(name);
    }
  if (const auto& node = records.state.data_node; !node.empty()) {
    const auto info = api.get("/info");
    if (info.value("/Swarm/NodeID"_json_pointer, "") != node)
      context.log(fmt::format("the volumes are on the node {}: `docker volume ls` there shows them\n", node),
                  true);
  }
  records.remove_all();
  lock.gone();
  return Outcome::success({{"stopped", replicas}, {"volumes", kept}});
}

std::string render(const Place& place, const std::vector<ServiceSpec>& services, const Contents& contents,
                   bool encrypted) {
  std::string out;
  const auto add = [&](const char* kind, const json& body) {
    nlohmann::ordered_json document = {{"kind", kind}};
    if (body.contains("Name")) document["Name"] = body["Name"].get<std::string>();
    for (const auto& [key, value] : body.items())
      if (key != "Name") document[key] = nlohmann::ordered_json::parse(value.dump());
    out += "---\n" + write_yaml(document);
  };
  add("network", {{"Name", network_name(place, encrypted)},
                  {"Driver", "overlay"},
                  {"Options", encrypted ? json{{"encrypted", ""}} : json::object()}});
  for (const auto& [name, _] : contents.secrets) add("secret", {{"Name", name}, {"Data", "***"}});
  for (const auto& [name, text] : contents.configs) add("config", {{"Name", name}, {"Data", text}});
  for (const auto& service : services) add("service", service.spec);
  return out;
}

}  // namespace slipway::swarm
