#include "plugins/swarm/rollout.h"

#include <algorithm>

#include "base/clock.h"
#include "plugins/swarm/evidence.h"
#include "plugins/swarm/judge.h"
#include "plugins/swarm/task_log.h"

namespace slipway::swarm {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kKeptReleases = 10;
constexpr Millis kFirstLook{100}, kLook{400};
// Of a service without a healthcheck: a container that ends at once was running for a moment.
constexpr Millis kStable{5'000};

const json& nothing() {
  static const json null;
  return null;
}

}  // namespace

Rollout::Rollout(EngineApi& api, const Place& place, const Settings& settings, std::string registry,
                 Records& records, Context& context)
    : api_(api),
      place_(place),
      settings_(settings),
      registry_(std::move(registry)),
      records_(records),
      context_(context) {
  use(api, records);
}

Rollout::~Rollout() = default;

void Rollout::use(EngineApi& api, Records& records) {
  engine_ = &api;
  remembered_ = &records;
  objects_ = std::make_unique<Objects>(api, place_, registry_);
}

void Rollout::log(const std::string& line) {
  context_.log(line + "\n");
}

bool Rollout::is_written(const ServiceSpec& service) const {
  const auto now = objects_->services().find(service.full_name());
  if (now == objects_->services().end()) return false;
  const auto& spec = now->second.at("Spec");
  const auto seen = remembered_->state.seen.find(service.name);
  return spec.value("Labels", json::object()).value(label::spec, "") == service.spec_hash() &&
         seen != remembered_->state.seen.end() && seen->second == hash_of(spec);
}

bool Rollout::is_done(const std::vector<ServiceSpec>& services) {
  if (!records_.state.rollout.empty() || records_.state.release.empty()) return false;
  objects_->look();
  if (objects_->services().size() != services.size()) return false;
  for (const auto& service : services)
    if (!is_written(service)) return false;
  const auto tasks = objects_->tasks();
  return std::all_of(services.begin(), services.end(), [&](const ServiceSpec& service) {
    const auto it = tasks.find(service.full_name());
    std::set<std::string> ended;
    if (it != tasks.end())
      for (const auto& task : it->second)
        if (has_ended(task)) ended.insert(task.value("ID", ""));
    const auto& now = objects_->services().at(service.full_name());
    return judge(service, now, it == tasks.end() ? std::vector<json>{} : it->second, ended).state ==
           Verdict::State::ready;
  });
}

// A port of a node is there once.
void Rollout::check_room(const std::vector<ServiceSpec>& services) {
  std::optional<int> nodes;
  for (const auto& service : services) {
    for (const auto& port : service.spec.value("/EndpointSpec/Ports"_json_pointer, json::array())) {
      if (port.value("PublishMode", "") != "host") continue;
      if (!nodes) nodes = engine_ == nullptr ? 0 : objects_->nodes();
      if (service.replicas() > *nodes)
        throw Error(
            ExitCode::usage,
            fmt::format("`{}` publishes port {} of its nodes and has {} replicas, and {} node{} of the swarm "
                        "take{} containers",
                        service.name, port.value("PublishedPort", 0), service.replicas(), *nodes,
                        *nodes == 1 ? "" : "s", *nodes == 1 ? "s" : ""))
            .hint("fewer replicas, more nodes, or `publish_mode: ingress`");
    }
  }
}

std::vector<std::string> Rollout::foresee(const std::vector<ServiceSpec>& services) {
  std::vector<std::string> out;
  std::optional<Release> release;
  if (!records_.state.release.empty())
    for (auto& one : records_.releases())
      if (one.id == records_.state.release) release = std::move(one);
  objects_->look();
  objects_->check_ours(services);
  check_room(services);
  for (const auto& service : services) {
    const auto* before = release ? release->find(service.name) : nullptr;
    if (!before) {
      out.push_back(fmt::format("{}: is new, {} of it", service.name, service.replicas()));
      continue;
    }
    if (before->image() != service.image())
      out.push_back(fmt::format("{}: is replaced, its image changed", service.name));
    else if (before->declared != service.declared)
      out.push_back(fmt::format("{}: its settings changed", service.name));
    const bool there = objects_->services().contains(before->full_name());
    if (!is_written(*before))
      out.push_back(fmt::format("{}: the service {} {}", service.name, before->full_name(),
                                there ? "was changed by somebody else" : "is gone"));
  }
  if (release)
    for (const auto& service : release->services)
      if (std::none_of(services.begin(), services.end(),
                       [&](const auto& one) { return one.name == service.name; }))
        out.push_back(fmt::format("{}: is removed, it is no longer part of the release", service.name));
  if (!records_.state.rollout.empty())
    out.push_back(fmt::format("release {} was cut off and is brought to its end", records_.state.rollout));
  return out;
}

void Rollout::begin(const std::vector<ServiceSpec>& services, const std::string& rollback_of) {
  objects_->look();
  objects_->check_ours(services);
  check_room(services);
  auto& state = remembered_->state;
  if (!state.release.empty())
    for (auto& one : remembered_->releases())
      if (one.id == state.release) before_ = std::move(one);
  // Commands of a rollout that was killed.
  std::vector<std::string> stale;
  for (const auto& [name, service] : objects_->services())
    if (service.value("/Spec/Labels"_json_pointer, json::object()).value(label::record, "") == "command")
      stale.push_back(name);
  for (const auto& name : stale) objects_->remove_service(name);
  release_.id = fmt::format("r{}", ++state.last);
  release_.state = "rolling";
  release_.previous = state.release;
  release_.rollback_of = rollback_of;
  release_.created = now_micros();
  release_.services = services;
  // The number is taken first: a record that exists belongs to the one who has it.
  state.rollout = release_.id;
  remembered_->save();
  remembered_->save(release_);
}

void Rollout::bring_out(const std::vector<Level>& levels, const Contents& contents, bool wait) {
  Uses uses;
  for (const auto& level : levels)
    for (const auto* service : level) add_uses(*service, uses);
  objects_->make(uses, contents);
  ended_before_.clear();
  for (const auto& [_, tasks] : objects_->tasks())
    for (const auto& task : tasks)
      if (has_ended(task)) ended_before_.insert(task.value("ID", ""));
  for (const auto& level : levels) {
    lock_->check();
    Level fresh;
    for (const auto* service : level) {
      if (is_written(*service)) continue;
      fresh.push_back(service);
      changed_.insert(service->name);
      context_.event("rollout", {{"service", service->name}, {"state", "started"}});
    }
    if (with_commands_) run_commands(fresh, &ServiceSpec::before, &ServiceSpec::before_ms, "before");
    for (const auto* service : fresh)
      remembered_->state.seen[service->name] = hash_of(objects_->write(service->spec).at("Spec"));
    if (!fresh.empty()) remembered_->save();
    if (wait) wait_for(level);
    if (with_commands_) run_commands(fresh, &ServiceSpec::after, &ServiceSpec::after_ms, "after");
  }
}

// All of a level's at once; each must end well.
void Rollout::run_commands(const Level& level, json ServiceSpec::*spec, std::int64_t ServiceSpec::*limit,
                           const char* when) {
  struct Running {
    const ServiceSpec* service;
    std::string name;
    Clock::time_point until;
    std::shared_ptr<TaskLog> log;
    bool done = false;
  };
  std::vector<Running> running;
  for (const auto* service : level) {
    if ((service->*spec).is_null()) continue;
    auto command = service->*spec;
    const auto name = place_.name(fmt::format("{}-{}-{}", service->name, when, release_.id));
    command["Name"] = name;
    log(fmt::format("{}: running its command {} the rollout", service->name, when));
    objects_->write(command);
    running.push_back({service, name, Clock::now() + Millis(service->*limit), nullptr, false});
  }
  if (running.empty()) return;
  for (bool all = false; !all;) {
    lock_->check();
    engine_->wait(kFirstLook);
    const auto tasks = objects_->tasks();
    all = true;
    for (auto& one : running) {
      if (one.done) continue;
      const auto it = tasks.find(one.name);
      auto verdict = judge_command(it == tasks.end() ? std::vector<json>{} : it->second);
      const auto title = fmt::format("{} {}", one.service->name, when);
      if (!one.log && !verdict.tasks.empty() && has_started(verdict.tasks[0]))
        one.log = follow(*engine_, verdict.tasks[0], title, context_, -1, true);
      if (verdict.state == Verdict::State::waiting && Clock::now() > one.until) {
        verdict.state = Verdict::State::failed;
        verdict.why = fmt::format("it takes longer than {}", format_duration(Millis(one.service->*limit)));
      }
      if (verdict.state == Verdict::State::failed) {
        finish(*engine_, one.log);
        throw Unhealthy{one.service->name,
                        fmt::format("its command {} the rollout failed: {}", when, verdict.why),
                        evidence_of(*engine_, title, verdict.tasks)};
      }
      one.done = verdict.state == Verdict::State::ready;
      if (one.done)
        finish(*engine_, one.log);
      else
        context_.progress({fmt::format("{}: waits for {}", title, verdict.why), 0, 0, ""});
      all &= one.done;
    }
  }
  for (const auto& one : running) objects_->remove_service(one.name);
}

void Rollout::wait_for(const Level& level) {
  struct Waiting {
    std::optional<Clock::time_point> healthy_since;
    bool done = false;
  };
  std::map<const ServiceSpec*, Waiting> waiting;
  for (const auto* service : level) waiting[service];
  const auto begin = Clock::now();
  for (Millis pause = kFirstLook;; pause = std::min(pause * 2, kLook)) {
    lock_->check();
    const auto tasks = objects_->tasks();
    std::map<std::string, json> services;
    for (auto& service : engine_->get("/services", {{"filters", place_.filters()}})) {
      const auto name = service.value("/Spec/Name"_json_pointer, "");
      services[name] = std::move(service);
    }
    bool all = true;
    std::string progress;
    for (auto& [service, one] : waiting) {
      const auto name = service->full_name();
      const auto now = services.find(name);
      const auto own = tasks.find(name);
      const auto verdict = judge(*service, now == services.end() ? nothing() : now->second,
                                 own == tasks.end() ? std::vector<json>{} : own->second, ended_before_);
      const bool late = verdict.state == Verdict::State::waiting && Clock::now() - begin > settings_.deadline;
      if (verdict.state == Verdict::State::failed || late) {
        const auto why = late ? fmt::format("it does not serve within {}: waits for {}",
                                            format_duration(settings_.deadline), verdict.why)
                              : verdict.why;
        context_.progress({fmt::format("{}: {}", service->name, why), 0, 0, ""});
        throw Unhealthy{
            service->name, why,
            evidence_of(*engine_, service->name,
                        verdict.tasks.empty() && own != tasks.end() ? own->second : verdict.tasks)};
      }
      const auto stable = settings_.stable.value_or(service->checked ? Millis(0) : kStable);
      if (verdict.state != Verdict::State::ready) {
        one.healthy_since.reset();
        one.done = all = false;
        progress += fmt::format("{}{} {}/{}: {}", progress.empty() ? "" : "; ", service->name, verdict.ready,
                                verdict.wanted, verdict.why);
        if (verdict.paused) {  // one bad start: it goes on where it stopped
          log(fmt::format("{}: a start failed, the next one did not; going on", service->name));
          remembered_->state.seen[service->name] = hash_of(objects_->write(service->spec).at("Spec"));
          remembered_->save();
        }
        continue;
      }
      if (!one.healthy_since) one.healthy_since = Clock::now();
      // What was not touched has shown that it stays.
      if (Clock::now() - *one.healthy_since < stable && changed_.contains(service->name)) {
        all = false;
        progress += fmt::format("{}{} must stay healthy", progress.empty() ? "" : "; ", service->name);
      } else if (!std::exchange(one.done, true) && changed_.contains(service->name)) {
        context_.event("rollout", {{"service", service->name}, {"state", "serving"}});
        log(fmt::format("{}: {} replica{} serve{}", service->name, verdict.wanted,
                        verdict.wanted == 1 ? "" : "s", verdict.wanted == 1 ? "s" : ""));
      }
    }
    if (all) return;
    context_.progress({progress, 0, 0, ""});
    engine_->wait(pause);
  }
}

// What is ours and not of `wanted`.
void Rollout::remove_services(const std::vector<ServiceSpec>& wanted, bool say) {
  std::map<std::string, std::string> gone;
  for (const auto& [name, service] : objects_->services())
    if (std::none_of(wanted.begin(), wanted.end(), [&](const auto& one) { return one.full_name() == name; }))
      gone[name] = service.value("/Spec/Labels"_json_pointer, json::object()).value(label::service, "");
  for (const auto& [name, service] : gone) {
    if (say && !service.empty()) {
      log(fmt::format("{}: no longer part of the release, removed", service));
      changed_.insert(service);
    }
    objects_->remove_service(name);
    remembered_->state.seen.erase(service);
  }
}

void Rollout::commit(const std::vector<ServiceSpec>& services) {
  auto& state = remembered_->state;
  release_.state = "good";
  remembered_->save(release_);
  state.release = release_.id;
  state.rollout.clear();
  remembered_->save();
  if (settings_.prune) remove_services(services, true);
  remembered_->save();
  collect(false);
}

// Old releases, and the secrets, configs and networks that only they used.
void Rollout::collect(bool wait) {
  const auto& current = remembered_->state.release;
  auto releases = remembered_->releases();
  while (releases.size() > kKeptReleases && releases.front().id != current) {
    remembered_->forget(releases.front().id);
    releases.erase(releases.begin());
  }
  Uses used;
  for (const auto& release : releases)
    if (release.state == "good")
      for (const auto& service : release.services) add_uses(service, used);
  objects_->look();
  // Services that were left (prune: false) keep what they have.
  for (const auto& [_, service] : objects_->services()) add_uses(service.value("Spec", json()), used);
  // Networks of releases that do not serve any more are made again when they are needed.
  used.networks.clear();
  for (const auto& release : releases)
    if (release.id == current)
      for (const auto& service : release.services) add_uses(service, used);
  objects_->collect(used, wait);
}

std::vector<std::string> Rollout::go_back() {
  std::vector<std::string> lost;
  const bool stopped = context_.stop().stop_requested();
  try {
    own_api_ = std::make_unique<EngineApi>(api_.endpoint(), std::stop_token{});
    own_records_ = std::make_unique<Records>(*own_api_, records_);
    use(*own_api_, *own_records_);
    lock_->move_to(*own_api_, *own_records_);
    remembered_->load();  // an answer may have been lost
    with_commands_ = false;
    objects_->look();
    const auto services = before_ ? before_->services : std::vector<ServiceSpec>{};
    try {
      // What others wait for comes last on the way back.
      auto levels = levels_of(services);
      std::reverse(levels.begin(), levels.end());
      bring_out(levels, {}, !stopped);
    } catch (const Unhealthy& e) {
      lost.push_back(fmt::format("`{}` does not come back: {}", e.service, e.why));
    } catch (const Error& e) {
      lost.push_back(fmt::format("the way back is blocked: {}", e.message()));
    }
    remove_services(services, false);
    release_.state = "failed";
    remembered_->save(release_);
    if (lost.empty()) remembered_->state.rollout.clear();
    remembered_->save();
    if (lost.empty()) collect(!before_);
  } catch (const Error& e) {
    lost.push_back(fmt::format("what the failed release made stays: {}", e.message()));
  }
  return lost;
}

Outcome Rollout::failed(const Unhealthy& what) {
  log(fmt::format("{}: {}; going back", what.service, what.why));
  context_.progress({"going back", 0, 0, ""});
  // Before anything is undone: it can be read even when the way back is long.
  if (!what.evidence.empty()) context_.log(what.evidence, true);
  const auto lost = go_back();
  auto outcome = Outcome::failed(fmt::format("`{}` did not become healthy: {}", what.service, what.why),
                                 static_cast<int>(lost.empty() ? ExitCode::rolled_back : ExitCode::degraded));
  outcome.detail = what.evidence;
  for (const auto& text : lost) outcome.detail += text + "\n";
  if (lost.empty() && !before_)
    outcome.detail += "this was the first release: nothing is left running\n";
  else if (lost.empty())
    outcome.detail +=
        fmt::format("all services are as before: release {} serves\n", remembered_->state.release);
  return outcome;
}

Outcome Rollout::run(const std::vector<ServiceSpec>& services, const Contents& contents,
                     const std::string& rollback_of, Lock& lock) {
  lock_ = &lock;
  with_commands_ = rollback_of.empty();
  begin(services, rollback_of);
  try {
    bring_out(levels_of(services), contents, true);
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
                           {"urls", urls_of(services, api_)}});
}

json urls_of(const std::vector<ServiceSpec>& services, const EngineApi& api) {
  const auto& where = api.endpoint().host;
  std::string host = "127.0.0.1";
  if (where.starts_with("ssh://"))
    host = oci::parse_ssh(where).host;
  else if (where.starts_with("tcp://"))
    host = where.substr(6, where.rfind(':') > 6 ? where.rfind(':') - 6 : std::string::npos);
  json out = json::object();
  for (const auto& service : services) {
    const auto ports = service.spec.value("/EndpointSpec/Ports"_json_pointer, json::array());
    if (!ports.empty())
      out[service.name] = fmt::format("http://{}:{}", host, ports[0].value("PublishedPort", 0));
  }
  return out;
}

std::vector<std::vector<const ServiceSpec*>> levels_of(const std::vector<ServiceSpec>& services) {
  std::vector<std::vector<const ServiceSpec*>> levels;
  std::set<std::string> placed;
  while (placed.size() < services.size()) {
    std::vector<const ServiceSpec*> level;
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

}  // namespace slipway::swarm
