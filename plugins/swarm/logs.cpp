// The action `logs`: what the containers of each service wrote, and with `follow` what comes, of new ones
// too.
#include <algorithm>

#include "base/suggest.h"
#include "plugins/swarm/actions.h"
#include "plugins/swarm/task_log.h"

namespace slipway::swarm {

namespace {

constexpr Millis kLook{1'000};

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Outcome logs(EngineApi& api, const Place& place, const json& params, Context& context) {
  const auto wanted = params.value("services", std::vector<std::string>{});
  const bool go_on = params.value("follow", false);
  const auto count = params.value("tail", 100);
  Objects objects(api, place, "");
  std::map<std::string, std::shared_ptr<TaskLog>> shown;
  const auto open = [&] {
    objects.look();
    std::vector<std::string> names;
    std::map<std::string, std::string> by_full_name;
    for (const auto& [full, service] : objects.services()) {
      names.push_back(service.value("/Spec/Labels"_json_pointer, json::object()).value(label::service, full));
      by_full_name[full] = names.back();
    }
    for (const auto& name : wanted)
      if (!has(names, name))
        throw Error(ExitCode::usage, fmt::format("no service `{}` runs in `{}`", name, place.title()))
            .hint(suggestion_hint(name, names));
    for (const auto& [full, tasks] : objects.tasks())
      for (const auto& task : tasks) {
        const auto& name = by_full_name[full];
        const auto id = task.value("ID", "");
        if (shown.contains(id) || task.value("DesiredState", "") != "running" || !has_started(task)) continue;
        if (wanted.empty() || has(wanted, name))
          shown[id] =
              follow(api, task, fmt::format("{}.{}", name, task.value("Slot", 0)), context, count, go_on);
      }
  };
  try {
    open();
    for (;;) {
      if (!go_on &&
          std::all_of(shown.begin(), shown.end(), [](const auto& one) { return one.second->ended; }))
        return Outcome::success();
      if (go_on) {
        api.wait(kLook);
        open();
      } else {
        api.poll(kLook);
      }
    }
  } catch (const Error& e) {
    if (e.code() != ExitCode::interrupted || !go_on) throw;
    return Outcome::success();
  }
}

}  // namespace slipway::swarm
