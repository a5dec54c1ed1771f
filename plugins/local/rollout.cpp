#include "plugins/local/rollout.h"

#include <unistd.h>

#include "base/clock.h"
#include "oci/sandbox.h"
#include "oci/snapshot.h"
#include "plugins/local/volumes.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::local {

namespace {

constexpr Millis kHttpDrain{30'000}, kTcpDrain{3'000};
constexpr std::size_t kKeptReleases = 10;

std::vector<std::string> ids_of(const std::vector<Replica>& replicas) {
  std::vector<std::string> out;
  for (const auto& replica : replicas) out.push_back(replica.id);
  return out;
}

// Part of the release, but no replica of it is wanted: it has no address, no listener and no unpacked image.
bool rests(const ServicePlan& plan) {
  return plan.replicas == 0;
}

Serving serving_of(const ServicePlan& plan, const std::string& release, std::vector<Replica> replicas) {
  return {release,
          plan.definition,
          plan.declared,
          std::move(replicas),
          rests(plan) ? std::vector<int>{} : plan.ports,
          plan.publish,
          plan.http,
          plan.healthcheck};
}

}  // namespace

Balancer balancer_of(const Place& place, const oci::Network& network) {
  return Balancer(place.balancer(), "/run/slipway/" + network.bridge() + ".sock");
}

Rollout::Rollout(const Place& place, Context& context)
    : place_(place), context_(context), replicas_(place_), state_(State::load(place)) {
  if ((network_ = oci::Network::find(place.network()))) balancer_ = balancer_of(place, *network_);
}

void Rollout::log(const std::string& line) {
  context_.log(line + "\n");
}

void Rollout::progress(const std::string& text) {
  context_.progress({text, 0, 0, ""});
}

bool Rollout::is_done(const std::vector<ServicePlan>& plans) const {
  if (!state_.rollout.empty() || state_.services.size() != plans.size()) return false;
  if (plans.empty()) return true;
  for (const auto& plan : plans) {
    const auto it = state_.services.find(plan.name);
    if (it == state_.services.end()) return false;
    const auto& serving = it->second;
    if (serving.definition != plan.definition || serving.publish != plan.publish ||
        serving.healthcheck != plan.healthcheck || static_cast<int>(serving.replicas.size()) != plan.replicas)
      return false;
  }
  return all_run();
}

bool Rollout::is_done(const std::string& asked) const {
  return state_.rollout.empty() && !state_.services.empty() && state_.asked == asked && all_run();
}

// All that state.json says, and nothing else.
bool Rollout::all_run() const {
  if (!network_ || !network_->up() || !balancer_) return false;
  for (const auto& [_, serving] : state_.services)
    for (const auto& replica : serving.replicas)
      if (!replicas_.running(replica.id)) return false;
  // A rollout that was cut off after the last switch leaves replicas that nobody needs.
  if (replicas_.all().size() != state_.replicas() || !balancer_->running()) return false;
  for (const auto& [id, status] : balancer_->statuses())
    if (status == "DOWN") return false;
  return true;
}

void Rollout::remember(const std::string& asked) {
  state_.asked = asked;
  state_.save(place_);
}

std::vector<std::string> Rollout::foresee(const std::vector<ServicePlan>& plans) const {
  std::vector<std::string> out;
  const auto add = [&](const std::string& service, std::string text) {
    out.push_back(fmt::format("{}: {}", service, text));
  };
  const bool balanced = balancer_ && network_->up() && balancer_->running();
  Releases releases(place_);
  for (const auto& plan : plans) {
    const auto it = state_.services.find(plan.name);
    if (it == state_.services.end()) {
      add(plan.name,
          rests(plan) ? "no replica of it is wanted" : fmt::format("starts, {} of it", plan.replicas));
      continue;
    }
    const auto& now = it->second;
    const auto up = std::count_if(now.replicas.begin(), now.replicas.end(),
                                  [&](const Replica& replica) { return replicas_.running(replica.id); });
    const auto* release = releases.find(now.release);
    const auto* before = release ? release->find(plan.name) : nullptr;
    if (now.declared != plan.declared)
      add(plan.name, before && before->image == plan.image ? "is replaced, its settings changed"
                                                           : "is replaced, its image changed");
    else if (static_cast<int>(now.replicas.size()) != plan.replicas)
      add(plan.name, fmt::format("{} of it, {} until now", plan.replicas, now.replicas.size()));
    else if (up < plan.replicas)
      add(plan.name, fmt::format("{} of {} died and start again", plan.replicas - up, plan.replicas));
    if (now.publish != plan.publish)
      add(plan.name,
          plan.publish ? fmt::format("is published on port {}", plan.publish) : "is no longer published");
    if (now.healthcheck != plan.healthcheck) add(plan.name, "is asked another way for its health");
  }
  for (const auto& [name, _] : state_.services)
    if (std::none_of(plans.begin(), plans.end(), [&](const auto& plan) { return plan.name == name; }))
      add(name, "stops, it is no longer part of the release");
  if (out.empty() && !plans.empty() && !balanced) out.push_back("the balancer starts again");
  if (!state_.rollout.empty())
    out.push_back(fmt::format("release {} was cut off and is cleared away", state_.rollout));
  return out;
}

json Rollout::urls() const {
  json out = json::object();
  for (const auto& [name, serving] : state_.services)
    if (serving.publish && !serving.replicas.empty())
      out[name] = fmt::format("{}127.0.0.1:{}", serving.http ? "http://" : "tcp://", serving.publish);
  return out;
}

void Rollout::check_ports(const std::vector<ServicePlan>& plans) const {
  const auto ours = balancer_ ? balancer_->published() : std::set<int>{};
  for (const auto& plan : plans) {
    if (!plan.publish || rests(plan) || ours.contains(plan.publish) || is_port_free(plan.publish)) continue;
    const auto who = listener_of(plan.publish);
    throw Error(ExitCode::failed,
                fmt::format("port {} of this machine, on which `{}` is to be published, is in use{}",
                            plan.publish, plan.name, who.empty() ? "" : " by " + who))
        .hint(fmt::format("stop that, or give `{}` another port under `publish`", plan.name));
  }
}

const std::vector<fs::path>& Rollout::lowers_of(const ServicePlan& plan) {
  const auto descriptor = oci::descriptor_from_json(plan.image);
  const auto key = descriptor.digest.str();
  if (const auto it = lowers_.find(key); it != lowers_.end()) return it->second;
  progress(fmt::format("unpacking the image of {}", plan.name));
  const auto store = oci::open_user_store(place_.cache);
  const auto manifest = store.manifest(descriptor);
  return lowers_[key] = oci::Snapshots(place_.cache).unpacked(store, manifest, store.config(manifest));
}

// Everything that could refuse, before anything is started or changed.
void Rollout::begin(const std::vector<ServicePlan>& plans, const std::string& rollback_of) {
  if (::geteuid() != 0)
    throw Error(ExitCode::unavailable, "the local target needs root")
        .hint("run slipway as root (`sudo slipway …`)");
  check_ports(plans);
  shim_program();
  require_program("haproxy");
  require_program("nsenter");
  oci::Runtime::probe(place_.cache);
  for (const auto& plan : plans)
    if (!rests(plan)) lowers_of(plan);
  network_ = oci::Network::open(place_.network(), place_.title());
  balancer_ = balancer_of(place_, *network_);
  release_.id = fmt::format("r{}", ++state_.last);
  release_.state = "rolling";
  release_.previous = state_.release;
  release_.rollback_of = rollback_of;
  release_.created = now_micros();
  release_.services = plans;
  release_.save(place_);
  state_.rollout = release_.id;
  state_.save(place_);
}

// Removes what a rollout that was killed left behind.
void Rollout::sweep() {
  std::set<std::string> serving;
  for (const auto& [_, service] : state_.services)
    for (const auto& replica : service.replicas) serving.insert(replica.id);
  std::set<std::string> lost;
  for (const auto& id : replicas_.all())
    if (!serving.contains(id)) lost.insert(id);
  for (const auto& id : network_->attached())
    if (!serving.contains(id)) lost.insert(id);
  if (lost.empty()) return;
  if (balancer_->running()) {
    balancer_->apply(routes());
    balancer_->finish(kHttpDrain, kTcpDrain);
  }
  replicas_.stop({lost.begin(), lost.end()}, network_);
}

std::vector<Route> Rollout::routes() {
  std::vector<Route> out;
  for (const auto& [name, serving] : state_.services) {
    if (serving.ports.empty()) continue;
    const auto address = network_->virtual_address(name);
    out.push_back({name, address, serving.ports, serving.publish, serving.http, serving.healthcheck, {}});
    // One whose monitor is gone would only be asked in vain.
    for (const auto& replica : serving.replicas)
      if (replicas_.running(replica.id)) out.back().servers.push_back(replica);
  }
  return out;
}

// Addresses and listeners of all services, the new ones without servers yet, so that names mean something
// from the first start on.
void Rollout::listen(const std::vector<ServicePlan>& plans) {
  for (const auto& plan : plans) {
    if (!plan.ports.empty() && !rests(plan)) addresses_[plan.name] = network_->virtual_address(plan.name);
    const auto it = state_.services.find(plan.name);
    const bool rested =
        it != state_.services.end() && it->second.ports.empty() && it->second.replicas.empty();
    // Another port or way of asking is used as soon as one that has it serves.
    if (it == state_.services.end() || (rested && !rests(plan))) {
      state_.services[plan.name] = serving_of(plan, release_.id, {});
      state_.services[plan.name].definition = "";
    } else {
      it->second.publish = plan.publish;
    }
  }
  state_.save(place_);
  balancer_->apply(routes());
}

std::optional<Rollout::Update> Rollout::update_of(const ServicePlan& plan) const {
  Update update{&plan, {}, {}, {}};
  const auto& serving = state_.services.at(plan.name);
  const auto statuses = balancer_->statuses();
  for (const auto& replica : serving.replicas) {
    const auto status = statuses.find(replica.id);
    const bool good = serving.definition == plan.definition && replicas_.running(replica.id) &&
                      (status == statuses.end() || status->second != "DOWN") &&
                      static_cast<int>(update.keep.size()) < plan.replicas;
    if (good)
      update.keep.push_back(replica);
    else
      update.old.push_back(replica.id);
  }
  const bool same = static_cast<int>(update.keep.size()) == plan.replicas && update.old.empty() &&
                    serving.definition == plan.definition && serving.healthcheck == plan.healthcheck;
  return same ? std::nullopt : std::optional(update);
}

void Rollout::start_one(Update& update) {
  auto hosts = addresses_;
  const auto replica = replicas_.start(*update.plan, *network_, lowers_of(*update.plan), hosts);
  started_[replica.id] = update.plan->name;
  update.fresh.push_back(replica);
  context_.event("rollout", {{"service", update.plan->name}, {"replica", replica.id}, {"state", "started"}});
}

void Rollout::wait_for(const Update& update, const Replica& replica) {
  progress(fmt::format("waiting until {} is healthy", update.plan->name));
  wait_until_healthy(*update.plan, replica, replicas_, context_.stop());
  context_.event("rollout", {{"service", update.plan->name}, {"replica", replica.id}, {"state", "healthy"}});
}

void Rollout::switch_to(const Update& update) {
  if (rests(*update.plan)) {
    state_.services[update.plan->name] = serving_of(*update.plan, release_.id, {});
    if (update.old.empty()) return;  // no request goes to it: nothing to switch
    state_.save(place_);
    balancer_->apply(routes());
    return log(fmt::format("{}: stopping, no replica of it is wanted", update.plan->name));
  }
  auto all = update.keep;
  all.insert(all.end(), update.fresh.begin(), update.fresh.end());
  state_.services[update.plan->name] = serving_of(*update.plan, release_.id, std::move(all));
  state_.save(place_);
  balancer_->apply(routes());
  context_.event("rollout", {{"service", update.plan->name}, {"state", "serving"}});
  log(fmt::format(
      "{}: {} serve{}", update.plan->name,
      update.plan->replicas == 1 ? "1 replica" : fmt::format("{} replicas", update.plan->replicas),
      update.plan->replicas == 1 ? "s" : ""));
}

void Rollout::update(const std::vector<const ServicePlan*>& level) {
  std::vector<Update> updates;
  for (const auto* plan : level)
    if (auto update = update_of(*plan)) updates.push_back(*std::move(update));
  for (auto& update : updates) {
    changed_.insert(update.plan->name);
    if (rests(*update.plan)) continue;
    make_volumes(place_, *update.plan, lowers_of(*update.plan));
    if (update.plan->stateful && !update.old.empty()) {
      // Two of them on one volume would destroy it.
      log(fmt::format("{}: stopping the old one first, it keeps data", update.plan->name));
      state_.services[update.plan->name].replicas.clear();
      state_.save(place_);
      balancer_->apply(routes());
      balancer_->finish(kHttpDrain, Millis(0));
      replicas_.stop(update.old, network_);
    }
    const int missing = update.plan->replicas - static_cast<int>(update.keep.size());
    if (missing <= 0) continue;
    log(fmt::format("{}: starting {} of {}", update.plan->name, missing, update.plan->replicas));
    start_one(update);  // the first tells whether this version works at all
  }
  for (auto& update : updates) {
    if (state_.services.at(update.plan->name).healthcheck != update.plan->healthcheck)
      for (const auto& replica : update.keep) wait_for(update, replica);
    if (!update.fresh.empty()) wait_for(update, update.fresh[0]);
  }
  for (auto& update : updates)
    while (static_cast<int>(update.keep.size() + update.fresh.size()) < update.plan->replicas)
      start_one(update);
  for (auto& update : updates)
    for (std::size_t i = 1; i < update.fresh.size(); ++i) wait_for(update, update.fresh[i]);
  for (auto& update : updates) switch_to(update);
}

// From here on this release is the one that serves.
void Rollout::commit(const std::vector<ServicePlan>& plans, const std::string& asked) {
  for (const auto& [name, _] : state_.services)
    if (std::none_of(plans.begin(), plans.end(), [&](const auto& plan) { return plan.name == name; }))
      gone_.insert(name);
  for (const auto& name : gone_) {
    changed_.insert(name);
    log(fmt::format("{}: no longer part of the release, stopping", name));
    state_.services.erase(name);
  }
  release_.state = "good";
  release_.live = now_micros();
  release_.save(place_);
  state_.release = release_.id;
  state_.rollout.clear();
  state_.asked = asked;
  state_.save(place_);
}

void Rollout::clean_up() {
  try {
    progress("draining the old replicas");
    balancer_->apply(routes());
    balancer_->finish(kHttpDrain, kTcpDrain);
    sweep();
    for (const auto& name : gone_) network_->remove_virtual_address(name);
    for (const auto& [name, serving] : before_.services) {
      const auto now = state_.services.find(name);
      if (!serving.ports.empty() && now != state_.services.end() && now->second.ports.empty())
        network_->remove_virtual_address(name);
    }
    prune_releases(place_, state_, kKeptReleases);
  } catch (const Error& e) {
    // The release serves; the next rollout, or `slipway doctor`, clears what stayed.
    context_.log(fmt::format("the release serves, but old replicas could not be removed: {}\n", e.str()),
                 true);
  }
}

std::vector<std::string> Rollout::go_back() {
  std::vector<std::string> lost;
  // A database that had to be stopped is started again from the release that it came from.
  for (auto& [name, serving] : before_.services) {
    const auto release = Release::load(place_, serving.release);
    const auto* plan = release ? release->find(name) : nullptr;
    const bool all_run = std::all_of(serving.replicas.begin(), serving.replicas.end(),
                                     [&](const Replica& replica) { return replicas_.running(replica.id); });
    if (all_run) continue;
    std::erase_if(serving.replicas, [&](const Replica& replica) { return !replicas_.running(replica.id); });
    if (!plan) {
      lost.push_back(fmt::format("`{}`: its release `{}` is gone", name, serving.release));
      continue;
    }
    try {
      if (const auto now = state_.services.find(name); plan->stateful && now != state_.services.end()) {
        std::vector<std::string> ours = ids_of(now->second.replicas);
        for (const auto& [id, service] : started_)
          if (service == name) ours.push_back(id);
        replicas_.stop(ours, network_);
      }
      while (static_cast<int>(serving.replicas.size()) < plan->replicas) {
        const auto replica = replicas_.start(*plan, *network_, lowers_of(*plan), addresses_);
        wait_until_healthy(*plan, replica, replicas_, {});
        serving.replicas.push_back(replica);
      }
    } catch (const Unhealthy& e) {
      lost.push_back(fmt::format("`{}` does not come back: {}", name, e.why));
    } catch (const Error& e) {
      lost.push_back(fmt::format("`{}` does not come back: {}", name, e.message()));
    }
  }
  state_.services = before_.services;
  state_.asked.clear();  // it may be less than was asked for then
  state_.rollout.clear();
  release_.state = "failed";
  release_.save(place_);
  state_.save(place_);
  if (state_.services.empty()) {
    tear_down();
    return lost;
  }
  balancer_->apply(routes());
  balancer_->finish(kHttpDrain, Millis(0));
  sweep();
  for (const auto& [name, _] : addresses_) {
    const auto now = state_.services.find(name);
    if (now == state_.services.end() || now->second.ports.empty()) network_->remove_virtual_address(name);
  }
  return lost;
}

// Nothing ran before, so nothing is to be left.
void Rollout::tear_down() {
  balancer_->stop();
  replicas_.stop(replicas_.all(), network_);
  network_->remove();
}

Outcome Rollout::failed(const Unhealthy& what) {
  log(fmt::format("{}: {}; going back", what.service, what.why));
  progress("going back");
  const bool first = before_.services.empty();
  const auto lost = go_back();
  auto outcome = Outcome::failed(fmt::format("`{}` did not become healthy: {}", what.service, what.why),
                                 static_cast<int>(lost.empty() ? ExitCode::rolled_back : ExitCode::degraded));
  outcome.detail = what.evidence;
  if (!lost.empty()) {
    for (const auto& text : lost) outcome.detail += text + "\n";
  } else if (first) {
    outcome.detail += "this was the first release: nothing is left running\n";
  } else {
    outcome.detail += fmt::format("all services are as before{}\n",
                                  state_.release.empty() ? "" : ": release " + state_.release + " serves");
  }
  return outcome;
}

Outcome Rollout::run(const std::vector<ServicePlan>& plans, const std::string& asked,
                     const std::string& rollback_of) {
  before_ = state_;
  begin(plans, rollback_of);
  try {
    sweep();
    listen(plans);
    for (const auto& level : levels_of(plans)) update(level);
    commit(plans, asked);
  } catch (const Unhealthy& what) {
    return failed(what);
  } catch (Error& e) {
    log(fmt::format("{}; going back", e.message()));
    const auto lost = go_back();
    for (const auto& text : lost) e.detail(text);
    e.trail(fmt::format("while rolling out `{}`; what ran before {}", place_.title(),
                        lost.empty() ? "serves" : "could not be brought back whole"));
    throw;
  }
  clean_up();
  json outputs = {
      {"release", release_.id}, {"previous", release_.previous}, {"changed", changed_}, {"urls", urls()}};
  return Outcome::success(std::move(outputs));
}

}  // namespace slipway::local
