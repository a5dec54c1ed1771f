#include "plugins/kubernetes/rollout.h"

#include <algorithm>

#include "base/clock.h"
#include "plugins/kubernetes/blue_green.h"
#include "plugins/kubernetes/canary.h"
#include "plugins/kubernetes/color.h"
#include "plugins/kubernetes/inventory.h"
#include "plugins/kubernetes/jobs.h"

namespace slipway::kubernetes {

namespace {

constexpr std::size_t kKeptReleases = 10;

// A workload whose controller has done all it had to.
bool serves(const json& workload) {
  const auto& status = workload.contains("status") ? workload.at("status") : json::object();
  const auto wanted = workload.value("/spec/replicas"_json_pointer, 1);
  const auto count = [&](const char* name) { return status.value(name, 0); };
  return status.value("observedGeneration", 0) >= workload.value("/metadata/generation"_json_pointer, 0) &&
         count("readyReplicas") >= wanted && count("updatedReplicas") >= wanted &&
         count("replicas") <= wanted;
}

bool is_by(const ServiceObjects& service, const char* strategy) {
  return service.strategy.is_object() && service.strategy.contains(strategy);
}

}  // namespace

Rollout::Rollout(Api& api, const Place& place, const Settings& settings, Context& context,
                 fs::path project_dir)
    : api_(api),
      place_(place),
      context_(context),
      project_dir_(std::move(project_dir)),
      cluster_(std::make_unique<Cluster>(api, place, settings, context)) {}

Rollout::~Rollout() = default;

void Rollout::resolve(std::vector<ServiceObjects>& services, const std::optional<Release>& before) {
  cluster_->fit(services);
  for (auto& service : services) service = with_color(service, before ? before->find(service.name) : nullptr);
  cluster_->leave_replicas(services);
}

bool Rollout::is_done(const std::vector<ServiceObjects>& given) {
  const auto& state = cluster_->state();
  if (!state.rollout.empty() || state.release.empty()) return false;
  auto services = given;
  std::optional<Release> current;
  if (std::any_of(given.begin(), given.end(), [](const auto& one) { return is_by(one, "blue_green"); }))
    current = cluster_->records().release(state.release);
  resolve(services, current);
  cluster_->refresh(services);
  const auto wanted = keys_of(services);
  for (const auto& [key, _] : state.objects)
    if (!wanted.contains(key) && !is_kept(key)) return false;
  for (const auto& service : services) {
    for (const auto& object : objects_of(service))
      if (!cluster_->is_written(object)) return false;
    if (!serves(cluster_->live().at(key_of(service.workload)))) return false;
  }
  return true;
}

std::vector<std::string> Rollout::foresee(std::vector<ServiceObjects> services) {
  std::vector<std::string> out;
  cluster_->fit(services);
  const auto& state = cluster_->state();
  const auto release = state.release.empty() ? std::nullopt : cluster_->records().release(state.release);
  cluster_->refresh(release ? release->services : services);
  for (const auto& service : services) {
    const auto* before = release ? release->find(service.name) : nullptr;
    const auto replicas = service.workload.value("/spec/replicas"_json_pointer, 1);
    if (!before) {
      out.push_back(fmt::format("{}: is new, {} of it", service.name, replicas));
      continue;
    }
    const auto how = is_by(service, "canary")       ? " by canary"
                     : is_by(service, "blue_green") ? " by blue-green"
                                                    : "";
    if (images_of(before->workload) != images_of(service.workload))
      out.push_back(fmt::format("{}: is replaced{}, its image changed", service.name, how));
    else if (before->declared != service.declared)
      out.push_back(fmt::format("{}: its settings changed", service.name));
    for (const auto& object : objects_of(*before))
      if (!cluster_->is_written(object))
        out.push_back(fmt::format(
            "{}: {} {}", service.name, key_of(object).str(),
            cluster_->live().contains(key_of(object)) ? "was changed by somebody else" : "is gone"));
  }
  if (release)
    for (const auto& service : release->services)
      if (std::none_of(services.begin(), services.end(),
                       [&](const auto& one) { return one.name == service.name; }))
        out.push_back(fmt::format("{}: is removed, it is no longer part of the release", service.name));
  if (!state.rollout.empty())
    out.push_back(fmt::format("release {} was cut off and is brought to its end", state.rollout));
  return out;
}

std::vector<Rollout::Change> Rollout::compare(std::vector<ServiceObjects> services) {
  auto& state = cluster_->state();
  resolve(services, state.release.empty() ? std::nullopt : cluster_->records().release(state.release));
  cluster_->refresh(services);
  const auto& live = cluster_->live();
  std::vector<Change> out;
  std::vector<json> asked;
  std::vector<std::size_t> places;
  const auto was_written = [&](const json& manifest) {
    const auto it = state.objects.find(key_of(manifest));
    return it != state.objects.end() && it->second.hash == hash_of(manifest);
  };
  for (const auto& service : services) {
    for (const auto& manifest : objects_of(service)) {
      const auto now = live.find(key_of(manifest));
      Change change{service.name,
                    cluster_->as_sent(manifest),
                    now == live.end() ? json() : now->second,
                    {},
                    was_written(manifest)};
      if (change.was_written && !change.before.is_null() && is_part_of(manifest, change.before)) continue;
      if (cluster_->kinds().is_to_come(key_of(manifest))) {
        change.tried.object = manifest;
      } else {
        places.push_back(out.size());
        asked.push_back(change.manifest);
      }
      out.push_back(std::move(change));
    }
  }
  auto answers = cluster_->writer().try_out(asked);
  for (std::size_t i = 0; i < places.size(); ++i) out[places[i]].tried = std::move(answers[i]);
  const auto wanted = keys_of(services);
  for (const auto& [key, _] : state.objects) {
    const auto now = live.find(key);
    if (wanted.contains(key) || is_kept(key) || !cluster_->settings().prune || now == live.end()) continue;
    const auto labels = now->second.value("/metadata/labels"_json_pointer, json::object());
    out.push_back({labels.value("app.kubernetes.io/name", ""), nullptr, now->second, {}, false});
  }
  return out;
}

void Rollout::begin(const std::vector<ServiceObjects>& services, const std::string& rollback_of) {
  auto& state = cluster_->state();
  std::vector<ObjectKey> fresh;
  for (const auto& key : keys_of(services))
    if (!state.objects.contains(key)) fresh.push_back(key);
  cluster_->writer().check_ours(fresh);
  for (const auto& service : services)
    for (const auto& object : service.config)
      if (is_bare_secret(object) && !cluster_->live().contains(key_of(object)))
        throw Error(ExitCode::denied, fmt::format("{} of that release is gone", key_of(object).str()))
            .hint("its values are kept in the cluster only: run `slipway run` with the secrets at hand");
  cluster_->rehearse(services);
  if (!state.rollout.empty()) end_cut_off();
  release_.id = fmt::format("r{}", ++state.last);
  release_.state = "rolling";
  release_.previous = state.release;
  release_.rollback_of = rollback_of;
  release_.created = now_micros();
  release_.services = services;
  // The number is taken first: a record that exists belongs to the one who has it.
  state.rollout = release_.id;
  state.phase.clear();
  for (const auto& key : fresh) state.objects[key] = {};
  cluster_->save_state();
  cluster_->records().save(release_);
}

// The record of a release whose slipway was killed: it will never be good.
void Rollout::end_cut_off() {
  auto release = cluster_->records().release(state().rollout);
  if (!release || release->state != "rolling") return;
  release->state = "failed";
  cluster_->records().save(*release);
}

const ServiceObjects* Rollout::gradual(const ServiceObjects& service) const {
  if (!forward_ && service.color.empty()) return nullptr;
  const auto* before = before_ ? before_->find(service.name) : nullptr;
  if (!before || !cluster_->live().contains(key_of(before->workload))) return nullptr;
  // Two versions of one workload; what was of another name or kind before is replaced at once.
  if (is_by(service, "canary"))
    return key_of(before->workload) == key_of(service.workload) &&
                   before->workload.value("/spec/template"_json_pointer, json()) !=
                       service.workload.value("/spec/template"_json_pointer, json())
               ? before
               : nullptr;
  if (is_by(service, "blue_green"))
    return key_of(before->workload) != key_of(service.workload) &&
                   key_of(before->workload).kind == "Deployment"
               ? before
               : nullptr;
  return nullptr;
}

void Rollout::bring_out(const std::vector<Level>& levels) {
  std::vector<json> config;
  for (const auto& level : levels)
    for (const auto* service : level)
      config.insert(config.end(), service->config.begin(), service->config.end());
  for (const auto& group : in_order(std::move(config))) {
    cluster_->write(group);
    cluster_->writer().await_kinds(group);
  }
  cluster_->watch();
  for (const auto& level : levels) bring_out(level);
}

void Rollout::bring_out(const Level& level) {
  check_();
  std::vector<json> workloads, rest;
  Level fresh, at_once, step_by_step;
  for (const auto* service : level) {
    if (!cluster_->is_written(service->workload)) {
      fresh.push_back(service);
      changed_.insert(service->name);
      context_.event("rollout", {{"service", service->name}, {"state", "started"}});
      if (gradual(*service)) {
        step_by_step.push_back(service);
        continue;
      }
    }
    at_once.push_back(service);
    workloads.push_back(service->workload);
  }
  if (forward_) run_jobs(*cluster_, fresh, &ServiceObjects::before_job, release_.id, "before", check_);
  cluster_->write(workloads);
  wait_for(*cluster_, at_once, changed_, check_);
  if (!step_by_step.empty()) {
    Decisions decisions(cluster_->api(), place_);
    // The way to an earlier release, which was checked when it was new, is not held up.
    Holding holding{*cluster_, decisions, release_.id, check_, promoted_ || !forward_};
    for (const auto* service : step_by_step) {
      const auto& before = *gradual(*service);
      if (is_by(*service, "blue_green")) {
        BlueGreen(holding, *service, before, project_dir_).run();
        continue;
      }
      Canary canary(holding, *service, before, project_dir_);
      canary.run();
      cluster_->write({service->workload});
      wait_for(*cluster_, {service}, changed_, check_);
      canary.remove();
    }
    promoted_ = holding.promoted;
  }
  for (const auto* service : level) {
    rest.insert(rest.end(), service->traffic.begin(), service->traffic.end());
    rest.insert(rest.end(), service->after.begin(), service->after.end());
  }
  cluster_->write(rest);
  if (forward_) run_jobs(*cluster_, fresh, &ServiceObjects::after_job, release_.id, "after", check_);
}

void Rollout::commit(const std::vector<ServiceObjects>& services) {
  auto& state = cluster_->state();
  release_.state = "good";
  release_.live = now_micros();
  cluster_->records().save(release_);
  state.release = release_.id;
  state.rollout.clear();
  state.phase.clear();
  cluster_->save_state();
  const auto wanted = keys_of(services);
  // What the way here needed, and the workload that another colour replaced, is never left behind.
  auto left = before_ ? keys_of(before_->services) : std::set<ObjectKey>{};
  for (const auto& service : services)
    if (const auto* before = before_ ? before_->find(service.name) : nullptr)
      if (!service.color.empty() || !before->color.empty()) left.erase(key_of(before->workload));
  std::vector<ObjectKey> gone;
  for (const auto& [key, _] : state.objects) {
    if (wanted.contains(key) || is_kept(key)) continue;
    const bool silent = !left.contains(key);
    if (!cluster_->settings().prune && !silent) continue;
    gone.push_back(key);
    if (silent) continue;
    cluster_->log(fmt::format("{}: no longer part of the release, removed", key.str()));
    changed_.insert(key.name);
  }
  std::erase_if(state.objects, [&](const auto& one) {
    const auto& key = one.first;
    if (!key.is_cluster_wide() || wanted.contains(key)) return false;
    cluster_->log(fmt::format(
        "{}: no longer part of the release, left where it is: it belongs to the whole cluster", key.str()));
    return true;
  });
  cluster_->remove(gone);
  retire();
  cluster_->save_state();
}

// Old releases, and the Secrets and ConfigMaps that only they used.
void Rollout::retire() {
  auto& state = cluster_->state();
  auto releases = cluster_->records().releases();
  while (releases.size() > kKeptReleases && releases.front().id != state.release) {
    cluster_->records().forget(releases.front().id);
    releases.erase(releases.begin());
  }
  std::set<ObjectKey> used;
  for (const auto& release : releases) used.merge(keys_of(release.services));
  std::vector<ObjectKey> gone;
  for (const auto& [key, _] : state.objects)
    if (is_immutable_config(key) && !used.contains(key)) gone.push_back(key);
  if (!gone.empty()) cluster_->remove(gone);
}

// Requests go to what served before, now; canaries end where they are not needed for that.
void Rollout::undo_strategies() {
  for (const auto& service : release_.services) {
    const auto* before = before_ ? before_->find(service.name) : nullptr;
    if (!before) continue;
    if (is_by(service, "blue_green") && key_of(before->workload) != key_of(service.workload))
      BlueGreen::switch_back(*cluster_, service, *before);
    if (!is_by(service, "canary")) continue;
    const auto now = cluster_->workload(before->workload);
    const auto replicas = "/spec/replicas"_json_pointer;
    if (now.is_null() || !serves(now) || now.value(replicas, 1) < before->workload.value(replicas, 1))
      continue;
    std::vector<ObjectKey> gone;
    for (const auto& key : canary_keys(service))
      if (cluster_->state().objects.contains(key)) gone.push_back(key);
    cluster_->remove(gone);
  }
}

// A level as it was, without steps: what is there already stays.
void Rollout::put_back(const Level& level, bool wait) {
  std::vector<json> workloads, rest;
  for (const auto* service : level) {
    if (!cluster_->is_written(service->workload)) changed_.insert(service->name);
    workloads.push_back(service->workload);
    rest.insert(rest.end(), service->traffic.begin(), service->traffic.end());
    rest.insert(rest.end(), service->after.begin(), service->after.end());
  }
  cluster_->write(workloads);
  if (wait) wait_for(*cluster_, level, changed_, check_);
  cluster_->write(rest);
}

std::vector<std::string> Rollout::go_back() {
  std::vector<std::string> lost;
  const auto attempt = [&](const std::function<void()>& what) {
    try {
      what();
    } catch (const Unhealthy& e) {
      lost.push_back(fmt::format("`{}` does not come back: {}", e.service, e.why));
    } catch (const Error& e) {
      lost.push_back(fmt::format("the way back is blocked: {}", e.message()));
    }
  };
  const bool stopped = context_.stop().stop_requested();
  // Answers that the first one still waits for have nobody left who takes them.
  own_api_ = std::make_unique<Api>(api_.connection(), std::stop_token{});
  cluster_ = std::make_unique<Cluster>(*own_api_, *cluster_);
  auto services = before_ ? before_->services : std::vector<ServiceObjects>{};
  attempt([&] {
    cluster_->leave_replicas(services);
    cluster_->watch();
    cluster_->wake();
    while (!cluster_->news()) cluster_->poll();
    undo_strategies();
    std::vector<json> config;
    for (const auto& service : services)
      config.insert(config.end(), service.config.begin(), service.config.end());
    cluster_->write(config);
  });
  // What others wait for comes last on the way back; one that does not come back holds up no other.
  auto levels = levels_of(services);
  std::reverse(levels.begin(), levels.end());
  for (const auto& level : levels) attempt([&] { put_back(level, !stopped); });
  attempt([&] {
    auto& state = cluster_->state();
    const auto wanted = keys_of(services);
    std::vector<ObjectKey> gone;
    for (const auto& [key, _] : state.objects)
      if (!wanted.contains(key) && !key.is_cluster_wide() && (!is_immutable_config(key) || !before_))
        gone.push_back(key);
    cluster_->remove(gone);
    release_.state = "failed";
    cluster_->records().save(release_);
    state.phase.clear();
    if (lost.empty()) state.rollout.clear();
    cluster_->save_state();
  });
  return lost;
}

Outcome Rollout::failed(const Unhealthy& what) {
  cluster_->log(fmt::format("{}: {}; going back", what.service, what.why));
  cluster_->progress("going back");
  const auto lost = go_back();
  auto outcome = Outcome::failed(fmt::format("`{}` did not become healthy: {}", what.service, what.why),
                                 static_cast<int>(lost.empty() ? ExitCode::rolled_back : ExitCode::degraded));
  outcome.detail = what.evidence;
  for (const auto& text : lost) outcome.detail += text + "\n";
  if (lost.empty() && !before_)
    outcome.detail += "this was the first release: nothing is left running\n";
  else if (lost.empty())
    outcome.detail += fmt::format("all services are as before: release {} serves\n", state().release);
  return outcome;
}

Outcome Rollout::run(std::vector<ServiceObjects> services, const std::string& rollback_of,
                     const std::function<void()>& check) {
  check_ = check;
  forward_ = rollback_of.empty();
  if (!state().release.empty()) before_ = cluster_->records().release(state().release);
  resolve(services, before_);
  cluster_->refresh(services);
  begin(services, rollback_of);
  try {
    bring_out(levels_of(services));
    commit(services);
  } catch (const Unhealthy& what) {
    return failed(what);
  } catch (Error& e) {
    if (release_.state == "good") throw;  // it serves; only the tidying up failed
    cluster_->log(fmt::format("{}; going back", e.message()));
    const auto lost = go_back();
    for (const auto& text : lost) e.detail(text);
    e.trail(fmt::format("while rolling out `{}`; what ran before {}", place_.title(),
                        lost.empty() ? "was put back" : "could not be put back whole"));
    throw;
  }
  return Outcome::success({{"release", release_.id},
                           {"previous", release_.previous},
                           {"changed", changed_},
                           {"urls", urls_of(services)}});
}

json urls_of(const std::vector<ServiceObjects>& services) {
  json out = json::object();
  for (const auto& service : services)
    if (!service.url.empty()) out[service.name] = service.url;
  return out;
}

std::vector<Level> levels_of(const std::vector<ServiceObjects>& services) {
  std::vector<Level> levels;
  std::set<std::string> placed;
  while (placed.size() < services.size()) {
    Level level;
    std::set<std::string> here;  // "started" may be of the same level
    for (bool more = true; more;) {
      more = false;
      for (const auto& service : services) {
        if (placed.contains(service.name) || here.contains(service.name)) continue;
        const bool ready =
            std::all_of(service.depends_on.begin(), service.depends_on.end(), [&](const auto& on) {
              return placed.contains(on.first) || (on.second == "started" && here.contains(on.first));
            });
        if (!ready) continue;
        level.push_back(&service);
        here.insert(service.name);
        more = true;
      }
    }
    if (level.empty()) throw Error(ExitCode::usage, "services depend on each other in a circle");
    for (const auto* service : level) placed.insert(service->name);
    levels.push_back(std::move(level));
  }
  return levels;
}

}  // namespace slipway::kubernetes
