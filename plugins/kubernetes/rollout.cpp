#include "plugins/kubernetes/rollout.h"

#include <algorithm>

#include "base/clock.h"
#include "plugins/kubernetes/evidence.h"
#include "plugins/kubernetes/pod_log.h"

namespace slipway::kubernetes {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kKeptReleases = 10;
constexpr Millis kTick{250};

bool is_immutable_config(const ObjectKey& key) {
  return key.kind == "Secret" || key.kind == "ConfigMap";
}

// Its data is in the cluster only.
bool is_bare_secret(const json& manifest) {
  return manifest.value("kind", "") == "Secret" && manifest.contains("data") && manifest["data"].is_null();
}

std::vector<json> objects_of(const ServiceObjects& service) {
  auto out = service.config;
  out.push_back(service.workload);
  out.insert(out.end(), service.after.begin(), service.after.end());
  return out;
}

std::set<ObjectKey> keys_of(const std::vector<ServiceObjects>& services) {
  std::set<ObjectKey> out;
  for (const auto& service : services)
    for (const auto& object : objects_of(service)) out.insert(key_of(object));
  return out;
}

// A workload whose controller has done all it had to.
bool serves(const json& workload) {
  const auto& status = workload.contains("status") ? workload.at("status") : json::object();
  const auto wanted = workload.value("/spec/replicas"_json_pointer, 1);
  const auto count = [&](const char* name) { return status.value(name, 0); };
  return status.value("observedGeneration", 0) >= workload.value("/metadata/generation"_json_pointer, 0) &&
         count("readyReplicas") >= wanted && count("updatedReplicas") >= wanted &&
         count("replicas") <= wanted;
}

}  // namespace

struct Rollout::Tools {
  Tools(Api& a, const Place& p, const Settings& settings)
      : api(a), place(p), kinds(a), writer(a, kinds, p, settings.take_over), records(a, p) {}

  std::string collection(const char* api_version, const char* kind) {
    return kinds.collection(kinds.find(api_version, kind), place.name_space);
  }

  void watch() {
    if (pods) return;
    const std::map<std::string, std::string> ours = {{"labelSelector", place.selector()}};
    // What controllers make has the labels of the pod template only.
    const std::map<std::string, std::string> made = {
        {"labelSelector", fmt::format("app.kubernetes.io/part-of={},slipway.dev/environment={}",
                                      place.project, place.environment)}};
    const auto changed = [flag = news] { *flag = true; };
    deployments.emplace(api, collection("apps/v1", "Deployment"), ours, changed);
    stateful_sets.emplace(api, collection("apps/v1", "StatefulSet"), ours, changed);
    replica_sets.emplace(api, collection("apps/v1", "ReplicaSet"), made, changed);
    jobs.emplace(api, collection("batch/v1", "Job"), ours, changed);
    pods.emplace(api, collection("v1", "Pod"), made, changed);
  }

  void tick() {
    if (std::exchange(*ticking, true)) return;
    api.later(kTick, [news = news, ticking = ticking] {
      *news = true;
      *ticking = false;
    });
  }

  bool listed() const {
    for (const auto* one : {&*deployments, &*stateful_sets, &*replica_sets, &*jobs, &*pods}) {
      if (one->error()) throw *one->error();
      if (!one->listed()) return false;
    }
    return true;
  }

  json workload(const json& manifest) const {
    const auto& objects =
        (manifest.value("kind", "") == "StatefulSet" ? stateful_sets : deployments)->objects();
    const auto it = objects.find(key_of(manifest).name);
    return it == objects.end() ? json() : it->second;
  }

  Api& api;
  const Place& place;
  Kinds kinds;
  Writer writer;
  Records records;
  // Something may have changed: told by watches, and by the clock, which decides about faults that last.
  std::shared_ptr<bool> news = std::make_shared<bool>(false), ticking = std::make_shared<bool>(false);
  std::optional<Watch> deployments, stateful_sets, replica_sets, jobs, pods;
};

Rollout::Rollout(Api& api, const Place& place, const Settings& settings, Context& context)
    : api_(api), place_(place), settings_(settings), context_(context) {
  use(api);
  state_ = tools_->records.load();
}

Rollout::~Rollout() = default;

void Rollout::use(Api& api) {
  tools_ = std::make_unique<Tools>(api, place_, settings_);
}

void Rollout::log(const std::string& line) {
  context_.log(line + "\n");
}

void Rollout::fit(std::vector<ServiceObjects>& services) {
  const auto scaled = autoscaled();
  for (auto& service : services) {
    for (auto& object : service.after) object = tools_->writer.fit(std::move(object));
    if (!service.own) tools_->writer.fit_sleep(service.workload);
    if (scaled.contains({service.workload.value("kind", ""), service.name}))
      service.workload["spec"].erase("replicas");
  }
}

// Kind and name of what a HorizontalPodAutoscaler decides the replicas of.
std::set<std::pair<std::string, std::string>> Rollout::autoscaled() {
  Request request;
  request.path = fmt::format("/apis/autoscaling/v1/namespaces/{}/horizontalpodautoscalers",
                             url_encoded(place_.name_space));
  std::set<std::pair<std::string, std::string>> out;
  const auto list = tools_->api.call(std::move(request));
  for (const auto& item : list.value("items", json::array())) {
    const auto target = item.value("/spec/scaleTargetRef"_json_pointer, json::object());
    out.emplace(target.value("kind", ""), target.value("name", ""));
  }
  return out;
}

// One list a kind: what of ours is there now.
void Rollout::refresh(const std::vector<ServiceObjects>& services) {
  auto keys = keys_of(services);
  for (const auto& [key, _] : state_.objects) keys.insert(key);
  std::set<std::pair<std::string, std::string>> kinds;
  for (const auto& key : keys) kinds.insert({key.api_version, key.kind});
  live_.clear();
  std::optional<Error> failure;
  std::size_t left = kinds.size();
  for (const auto& kind : kinds) {
    Request request;
    request.path = tools_->kinds.collection(tools_->kinds.find(kind.first, kind.second), place_.name_space);
    request.query["labelSelector"] = place_.selector();
    tools_->api.start(std::move(request), [&, kind](Answer answer) {
      --left;
      if (answer.error) {
        if (!failure) failure = *answer.error;
        return;
      }
      for (auto& item : answer.body["items"]) {
        item["apiVersion"] = kind.first;  // lists leave it out of their items
        item["kind"] = kind.second;
        const auto key = key_of(item);
        live_[key] = std::move(item);
      }
    });
  }
  while (left > 0) tools_->api.poll(Millis(1'000));
  if (failure) throw *failure;
}

bool Rollout::is_written(const json& manifest) const {
  const auto key = key_of(manifest);
  const auto now = live_.find(key);
  if (now == live_.end()) return false;
  if (is_bare_secret(manifest)) return true;
  const auto written = state_.objects.find(key);
  // A later generation may be an autoscaler's, or of a field that is not ours.
  return written != state_.objects.end() && written->second.hash == hash_of(manifest) &&
         (written->second.seen == seen_of(now->second) || is_part_of(manifest, now->second));
}

bool Rollout::is_done(const std::vector<ServiceObjects>& given) {
  if (!state_.rollout.empty() || state_.release.empty()) return false;
  auto services = given;
  fit(services);
  refresh(services);
  const auto wanted = keys_of(services);
  for (const auto& [key, _] : state_.objects)
    if (!wanted.contains(key) && !is_immutable_config(key)) return false;
  for (const auto& service : services) {
    for (const auto& object : objects_of(service))
      if (!is_written(object)) return false;
    if (!serves(live_.at(key_of(service.workload)))) return false;
  }
  return true;
}

std::vector<std::string> Rollout::foresee(const std::vector<ServiceObjects>& services) {
  std::vector<std::string> out;
  const auto release = state_.release.empty() ? std::nullopt : tools_->records.release(state_.release);
  refresh(release ? release->services : services);
  for (const auto& service : services) {
    const auto* before = release ? release->find(service.name) : nullptr;
    const auto replicas = service.workload.value("/spec/replicas"_json_pointer, 1);
    if (!before) {
      out.push_back(fmt::format("{}: is new, {} of it", service.name, replicas));
      continue;
    }
    if (images_of(before->workload) != images_of(service.workload))
      out.push_back(fmt::format("{}: is replaced, its image changed", service.name));
    else if (before->declared != service.declared)
      out.push_back(fmt::format("{}: its settings changed", service.name));
    for (const auto& object : objects_of(*before))
      if (!is_written(object))
        out.push_back(
            fmt::format("{}: {} {}", service.name, key_of(object).str(),
                        live_.contains(key_of(object)) ? "was changed by somebody else" : "is gone"));
  }
  if (release)
    for (const auto& service : release->services)
      if (std::none_of(services.begin(), services.end(),
                       [&](const auto& one) { return one.name == service.name; }))
        out.push_back(fmt::format("{}: is removed, it is no longer part of the release", service.name));
  if (!state_.rollout.empty())
    out.push_back(fmt::format("release {} was cut off and is brought to its end", state_.rollout));
  return out;
}

void Rollout::begin(const std::vector<ServiceObjects>& services, const std::string& rollback_of) {
  std::vector<ObjectKey> fresh;
  for (const auto& key : keys_of(services))
    if (!state_.objects.contains(key)) fresh.push_back(key);
  tools_->writer.check_ours(fresh);
  for (const auto& service : services)
    for (const auto& object : service.config)
      if (is_bare_secret(object) && !live_.contains(key_of(object)))
        throw Error(ExitCode::denied, fmt::format("{} of that release is gone", key_of(object).str()))
            .hint("its values are kept in the cluster only: run `slipway run` with the secrets at hand");
  if (!state_.release.empty()) before_ = tools_->records.release(state_.release);
  if (!state_.rollout.empty()) end_cut_off();
  release_.id = fmt::format("r{}", ++state_.last);
  release_.state = "rolling";
  release_.previous = state_.release;
  release_.rollback_of = rollback_of;
  release_.created = now_micros();
  release_.services = services;
  // The number is taken first: a record that exists belongs to the one who has it.
  state_.rollout = release_.id;
  for (const auto& key : fresh) state_.objects[key] = {};
  tools_->records.save(state_);
  tools_->records.save(release_);
}

// The record of a release whose slipway was killed: it will never be good.
void Rollout::end_cut_off() {
  auto release = tools_->records.release(state_.rollout);
  if (!release || release->state != "rolling") return;
  release->state = "failed";
  tools_->records.save(*release);
}

void Rollout::write(const std::vector<json>& manifests) {
  std::vector<json> todo;
  for (const auto& manifest : manifests)
    if (!is_written(manifest) && !is_bare_secret(manifest)) todo.push_back(manifest);
  if (todo.empty()) return;
  // To leave out a number that was ours would set it to one: an autoscaler's number is confirmed instead.
  auto sent = todo;
  for (auto& manifest : sent) {
    const auto replicas = "/spec/replicas"_json_pointer;
    const auto now = live_.find(key_of(manifest));
    if (manifest.contains("/spec/template"_json_pointer) && !manifest.contains(replicas) &&
        now != live_.end())
      manifest[replicas] = now->second.value(replicas, 1);
  }
  const auto objects = tools_->writer.apply(sent);
  for (std::size_t i = 0; i < todo.size(); ++i) {
    const auto key = key_of(todo[i]);
    state_.objects[key] = {hash_of(todo[i]), seen_of(objects[i])};
    live_[key] = objects[i];
  }
}

void Rollout::bring_out(const std::vector<Level>& levels, bool wait) {
  std::vector<json> config;
  for (const auto& level : levels)
    for (const auto* service : level)
      config.insert(config.end(), service->config.begin(), service->config.end());
  write(config);
  if (wait) tools_->watch();
  for (const auto& level : levels) {
    check_();
    std::vector<json> workloads;
    Level fresh;
    for (const auto* service : level) {
      if (!is_written(service->workload)) {
        fresh.push_back(service);
        changed_.insert(service->name);
        context_.event("rollout", {{"service", service->name}, {"state", "started"}});
      }
      workloads.push_back(service->workload);
    }
    if (with_jobs_) run_jobs(fresh, &ServiceObjects::before_job, "before");
    write(workloads);
    if (wait) wait_for(level);
    std::vector<json> after;
    for (const auto* service : level) after.insert(after.end(), service->after.begin(), service->after.end());
    write(after);
    if (with_jobs_) run_jobs(fresh, &ServiceObjects::after_job, "after");
  }
}

// The Job of a release whose slipway was killed, when it is the same one and did not fail: a migration is not
// begun a second time beside itself. Others of this name go to `stale`.
std::string Rollout::cut_off_job(const json& manifest, const std::string& hash,
                                 std::vector<ObjectKey>& stale) const {
  const auto prefix = manifest.value("/metadata/name"_json_pointer, "") + "-r";
  std::string out;
  for (const auto& [key, written] : state_.objects) {
    if (key.kind != "Job" || !key.name.starts_with(prefix) ||
        key.name.find_first_not_of("0123456789", prefix.size()) != std::string::npos)
      continue;
    const auto now = live_.find(key);
    bool usable = now != live_.end() && written.hash == hash &&
                  !now->second.contains("/metadata/deletionTimestamp"_json_pointer);
    if (usable)
      for (const auto& one : now->second.value("/status/conditions"_json_pointer, json::array()))
        usable &= one.value("type", "") != "Failed";
    if (usable && out.empty())
      out = key.name;
    else
      stale.push_back(key);
  }
  return out;
}

// All of a level's at once; each must be complete.
void Rollout::run_jobs(const Level& level, json ServiceObjects::*job, const char* when) {
  struct Running {
    const ServiceObjects* service;
    std::string name;
    Judge judge;
    std::shared_ptr<PodLog> log;
    bool done = false;
  };
  std::vector<json> manifests;
  std::vector<Running> running;
  std::vector<ObjectKey> stale;
  for (const auto* service : level) {
    if ((service->*job).is_null()) continue;
    auto manifest = service->*job;
    const auto hash = hash_of(manifest);
    auto name = cut_off_job(manifest, hash, stale);
    if (name.empty()) {
      name = manifest.value("/metadata/name"_json_pointer, "") + "-" + release_.id;
      manifest["metadata"]["name"] = name;
      state_.objects[key_of(manifest)] = {hash, ""};
      manifests.push_back(std::move(manifest));
      log(fmt::format("{}: running its command {} the rollout", service->name, when));
    } else {
      log(fmt::format("{}: its command {} the rollout runs since {} was cut off", service->name, when,
                      name.substr(name.rfind('-') + 1)));
    }
    running.push_back({service, name, Judge(Millis(0)), nullptr, false});
  }
  if (running.empty()) return;
  tools_->writer.remove(stale, true);
  for (const auto& key : stale) state_.objects.erase(key);
  tools_->records.save(state_);
  tools_->writer.apply(manifests);
  *tools_->news = true;
  for (;;) {
    check_();
    if (std::exchange(*tools_->news, false) && tools_->listed()) {
      bool all = true;
      for (auto& one : running) {
        const auto& jobs = tools_->jobs->objects();
        const auto now = jobs.find(one.name);
        const auto verdict = one.judge.look_job(now == jobs.end() ? json() : now->second,
                                                tools_->pods->objects(), now_micros());
        if (const auto pod = tools_->pods->objects().find(verdict.pod);
            !one.log && pod != tools_->pods->objects().end() && has_started(pod->second))
          one.log = follow(tools_->api, place_, pod->second, fmt::format("{} {}", one.service->name, when),
                           context_);
        if (verdict.state == Verdict::State::failed) {
          finish(tools_->api, one.log);
          throw Unhealthy{one.service->name,
                          fmt::format("its command {} the rollout failed: {}", when, verdict.why),
                          verdict.pod.empty() ? "" : evidence_of(tools_->api, place_, verdict.pod)};
        }
        if (verdict.state == Verdict::State::ready && !std::exchange(one.done, true))
          finish(tools_->api, one.log);
        all &= one.done;
        if (!one.done)
          context_.progress(
              {fmt::format("{} {}: waits for {}", one.service->name, when, verdict.why), 0, 0, ""});
      }
      if (all) return;
    }
    tools_->tick();
    tools_->api.poll(Millis(1'000));
  }
}

void Rollout::wait_for(const Level& level) {
  struct Waiting {
    Judge judge;
    std::string told;
    std::optional<Clock::time_point> healthy_since;
    bool done = false;
  };
  std::map<const ServiceObjects*, Waiting> waiting;
  for (const auto* service : level)
    waiting.emplace(service, Waiting{Judge(Millis(service->ready_within_ms)), "", {}, false});
  const auto deadline = Clock::now() + settings_.deadline;
  *tools_->news = true;
  for (;;) {
    check_();
    if (std::exchange(*tools_->news, false) && tools_->listed()) {
      bool all = true;
      std::string progress;
      for (auto& [service, one] : waiting) {
        const auto current = tools_->workload(service->workload);
        // A watch may lag behind what we wrote.
        const auto written = live_.find(key_of(service->workload));
        auto verdict =
            one.judge.look(current, tools_->replica_sets->objects(), tools_->pods->objects(), now_micros());
        if (!current.is_null() && written != live_.end() &&
            current.value("/metadata/generation"_json_pointer, 0) <
                written->second.value("/metadata/generation"_json_pointer, 0))
          verdict = {Verdict::State::waiting, 0, verdict.wanted, "the cluster to tell of the change", ""};
        const bool late = verdict.state == Verdict::State::waiting && Clock::now() > deadline;
        if (verdict.state == Verdict::State::failed || late) {
          const auto why = late ? fmt::format("it does not serve within {}: waits for {}",
                                              format_duration(settings_.deadline), verdict.why)
                                : verdict.why;
          context_.progress({fmt::format("{}: {}", service->name, why), 0, 0, ""});
          throw Unhealthy{service->name, why,
                          verdict.pod.empty() ? "" : evidence_of(tools_->api, place_, verdict.pod)};
        }
        if (verdict.state != Verdict::State::ready) {
          one.healthy_since.reset();
          one.done = all = false;
          progress += fmt::format("{}{} {}/{}: {}", progress.empty() ? "" : "; ", service->name,
                                  verdict.ready, verdict.wanted, verdict.why);
          continue;
        }
        if (!one.healthy_since) one.healthy_since = Clock::now();
        if (Clock::now() - *one.healthy_since < settings_.stable) {
          all = false;
          progress += fmt::format("{}{} must stay healthy", progress.empty() ? "" : "; ", service->name);
        } else if (!one.done) {
          one.done = true;
          if (changed_.contains(service->name)) {
            context_.event("rollout", {{"service", service->name}, {"state", "serving"}});
            log(fmt::format("{}: {} replica{} serve{}", service->name, verdict.wanted,
                            verdict.wanted == 1 ? "" : "s", verdict.wanted == 1 ? "s" : ""));
          }
        }
      }
      if (all) return;
      context_.progress({progress, 0, 0, ""});
    }
    tools_->tick();
    tools_->api.poll(Millis(1'000));
  }
}

void Rollout::commit(const std::vector<ServiceObjects>& services) {
  release_.state = "good";
  tools_->records.save(release_);
  state_.release = release_.id;
  state_.rollout.clear();
  tools_->records.save(state_);
  const auto wanted = keys_of(services);
  std::vector<ObjectKey> gone;
  for (const auto& [key, _] : state_.objects)
    if (!wanted.contains(key) && !is_immutable_config(key)) gone.push_back(key);
  if (!gone.empty() && settings_.prune) {
    for (const auto& key : gone) {
      state_.objects.erase(key);
      if (key.kind == "Job") continue;  // its work is done
      log(fmt::format("{}: no longer part of the release, removed", key.str()));
      changed_.insert(key.name);
    }
    tools_->writer.remove(gone, false);
  }
  retire();
  tools_->records.save(state_);
}

// Old releases, and the Secrets and ConfigMaps that only they used.
void Rollout::retire() {
  auto releases = tools_->records.releases();
  while (releases.size() > kKeptReleases && releases.front().id != state_.release) {
    tools_->records.forget(releases.front().id);
    releases.erase(releases.begin());
  }
  std::set<ObjectKey> used;
  for (const auto& release : releases) used.merge(keys_of(release.services));
  std::vector<ObjectKey> gone;
  for (const auto& [key, _] : state_.objects)
    if (is_immutable_config(key) && !used.contains(key)) gone.push_back(key);
  if (gone.empty()) return;
  tools_->writer.remove(gone, false);
  for (const auto& key : gone) state_.objects.erase(key);
}

std::vector<std::string> Rollout::go_back() {
  std::vector<std::string> lost;
  const bool stopped = context_.stop().stop_requested();
  own_api_ = std::make_unique<Api>(api_.connection(), std::stop_token{});
  use(*own_api_);
  with_jobs_ = false;
  auto services = before_ ? before_->services : std::vector<ServiceObjects>{};
  try {
    fit(services);
    // What others wait for comes last on the way back.
    auto levels = levels_of(services);
    std::reverse(levels.begin(), levels.end());
    bring_out(levels, !stopped);
  } catch (const Unhealthy& e) {
    lost.push_back(fmt::format("`{}` does not come back: {}", e.service, e.why));
  } catch (const Error& e) {
    lost.push_back(fmt::format("the way back is blocked: {}", e.message()));
  }
  try {
    const auto wanted = keys_of(services);
    std::vector<ObjectKey> gone;
    for (const auto& [key, _] : state_.objects)
      if (!wanted.contains(key) && (!is_immutable_config(key) || !before_)) gone.push_back(key);
    tools_->writer.remove(gone, false);
    for (const auto& key : gone) state_.objects.erase(key);
    release_.state = "failed";
    tools_->records.save(release_);
    if (lost.empty()) state_.rollout.clear();
    tools_->records.save(state_);
  } catch (const Error& e) {
    lost.push_back(fmt::format("what the failed release made stays: {}", e.message()));
  }
  return lost;
}

Outcome Rollout::failed(const Unhealthy& what) {
  log(fmt::format("{}: {}; going back", what.service, what.why));
  context_.progress({"going back", 0, 0, ""});
  const auto lost = go_back();
  auto outcome = Outcome::failed(fmt::format("`{}` did not become healthy: {}", what.service, what.why),
                                 static_cast<int>(lost.empty() ? ExitCode::rolled_back : ExitCode::degraded));
  outcome.detail = what.evidence;
  for (const auto& text : lost) outcome.detail += text + "\n";
  if (lost.empty() && !before_)
    outcome.detail += "this was the first release: nothing is left running\n";
  else if (lost.empty())
    outcome.detail += fmt::format("all services are as before: release {} serves\n", state_.release);
  return outcome;
}

Outcome Rollout::run(std::vector<ServiceObjects> services, const std::string& rollback_of,
                     const std::function<void()>& check) {
  check_ = check;
  with_jobs_ = rollback_of.empty();
  fit(services);
  refresh(services);
  begin(services, rollback_of);
  try {
    bring_out(levels_of(services), true);
    commit(services);
  } catch (const Unhealthy& what) {
    return failed(what);
  } catch (Error& e) {
    if (release_.state == "good") throw;  // it serves; only the tidying up failed
    log(fmt::format("{}; going back", e.message()));
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

std::vector<std::vector<const ServiceObjects*>> levels_of(const std::vector<ServiceObjects>& services) {
  std::vector<std::vector<const ServiceObjects*>> levels;
  std::set<std::string> placed;
  while (placed.size() < services.size()) {
    std::vector<const ServiceObjects*> level;
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
