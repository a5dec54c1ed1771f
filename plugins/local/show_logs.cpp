// The action `logs`.
#include <condition_variable>
#include <mutex>

#include "base/suggest.h"
#include "plugins/local/actions.h"
#include "plugins/local/logs.h"
#include "plugins/local/state.h"

namespace slipway::local {

namespace {

constexpr std::chrono::milliseconds kLook{100};

void print(const std::string& replica, const std::vector<LogLine>& lines, Context& context) {
  for (const auto& line : lines) context.log(fmt::format("{} | {}\n", replica, line.text), line.error_stream);
}

// The replicas to show, of the services that are asked for.
std::vector<std::string> chosen(const Place& place, const std::vector<std::string>& services) {
  const auto state = State::load(place);
  std::vector<std::string> out, names;
  for (const auto& [name, _] : state.services) names.push_back(name);
  for (const auto& service : services)
    if (!state.services.contains(service))
      throw Error(ExitCode::usage, fmt::format("no service `{}` runs in `{}`", service, place.title()))
          .hint(suggestion_hint(service, names));
  for (const auto& [name, serving] : state.services) {
    if (!services.empty() && std::find(services.begin(), services.end(), name) == services.end()) continue;
    for (const auto& replica : serving.replicas) out.push_back(replica.id);
  }
  return out;
}

}  // namespace

Outcome logs(const Place& place, const json& params, Context& context) {
  const auto services = params.value("services", std::vector<std::string>{});
  const auto count = params.value("tail", std::size_t{100});
  const bool follow = params.value("follow", false);
  std::map<std::string, LogFollower> followers;
  for (const auto& id : chosen(place, services)) {
    // The follower first: a line between the two is shown twice rather than never.
    if (follow) followers.emplace(id, place.replica(id) / "log");
    print(id, tail(place.replica(id) / "log", count), context);
  }
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const auto stop = context.stop();
  while (follow && !stop.stop_requested()) {
    wake.wait_for(lock, stop, kLook, [] { return false; });
    for (auto& [id, follower] : followers) print(id, follower.next(), context);
    // A rollout replaces replicas; what the new ones say is wanted too.
    for (const auto& id : chosen(place, {}))
      if (!followers.contains(id)) {
        const bool wanted =
            services.empty() || std::any_of(services.begin(), services.end(), [&](const auto& name) {
              return id.starts_with(name + "-") && id.size() == name.size() + 7;
            });
        if (!wanted) continue;
        print(id, tail(place.replica(id) / "log", 1'000), context);
        followers.emplace(id, place.replica(id) / "log");
      }
  }
  return Outcome::success();
}

}  // namespace slipway::local
