#include "plugins/local/local.h"

#include "oci/service_secrets.h"
#include "oci/store.h"
#include "plugins/local/actions.h"
#include "plugins/local/asked.h"
#include "plugins/local/describe.h"
#include "plugins/local/locked.h"
#include "plugins/local/rollout.h"

namespace slipway {

namespace local {

std::optional<FileLock> try_lock_place(const Place& place) {
  make_dirs(place.root, 0700);
  return FileLock::try_lock(place.lock());
}

FileLock lock_place(const Place& place) {
  auto lock = try_lock_place(place);
  if (!lock)
    throw Error(ExitCode::denied, fmt::format("another rollout of `{}` is on its way", place.title()))
        .hint("wait until it ends");
  return *std::move(lock);
}

namespace {

Outcome apply(const Invocation& invocation, Context& context) {
  const auto place = Place::of(invocation);
  const auto asked = asked_digest(invocation);
  const auto lock = lock_place(place);
  Rollout rollout(place, context);
  if (!rollout.is_done(asked)) {
    const auto plans = plan_services(invocation, oci::open_user_store(invocation.cache_dir));
    if (!rollout.is_done(plans)) return rollout.run(plans, asked);
    rollout.remember(asked);
  }
  const auto& state = rollout.state();
  const auto services = state.services.size(), replicas = state.replicas();
  context.log(fmt::format("nothing to do: {} replica{} of {} service{} run as they should\n", replicas,
                          replicas == 1 ? "" : "s", services, services == 1 ? "" : "s"));
  return Outcome::success({{"release", state.release},
                           {"previous", state.release},
                           {"changed", json::array()},
                           {"urls", rollout.urls()}});
}

// A look ahead is given no secrets; the preview that an approval shows has them.
bool knows_secrets(const Invocation& invocation) {
  const auto names = oci::secrets_of(invocation.params.at("services"));
  return std::all_of(names.begin(), names.end(),
                     [&](const auto& name) { return invocation.secrets.contains(name); });
}

json preview_apply(const Invocation& invocation, Context& context) {
  const auto place = Place::of(invocation);
  const auto store = oci::open_user_store(invocation.cache_dir);
  const Rollout rollout(place, context);
  auto lines = rollout.foresee(plan_services(invocation, store, Secrets::unknown));
  const bool known = knows_secrets(invocation);
  if (lines.empty() && known && !rollout.is_done(plan_services(invocation, store)))
    lines.push_back("something is to be done: a secret has another value, or a replica is not well");
  const bool changes = !lines.empty();
  if (!changes)
    lines.push_back(std::string("all run as they should") + (known ? "" : ", unless a secret has changed"));
  return {{"lines", lines}, {"changes", changes}, {"unsure", !known}};
}

class Local : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  Outcome run(const Invocation& invocation, Context& context) override {
    if (invocation.action == "apply") return apply(invocation, context);
    const auto place = Place::of(invocation);
    if (invocation.action == "status") return status(place);
    if (invocation.action == "logs") return logs(place, invocation.params, context);
    if (invocation.action == "rollback") return rollback(place, invocation.params, context);
    if (invocation.action == "down") return down(place, invocation.params, context);
    if (invocation.action == "clean") return clean(place, invocation.params, context);
    throw Error(ExitCode::usage, fmt::format("the local target has no action `{}`", invocation.action));
  }

  json preview(const Invocation& invocation, Context& context) override {
    if (invocation.action == "status")
      return {{"outputs", status(Place::of(invocation)).outputs}, {"changes", false}};
    if (invocation.action != "apply") return Plugin::preview(invocation, context);
    return preview_apply(invocation, context);
  }

 private:
  PluginInfo info_ = describe();
};

}  // namespace

}  // namespace local

std::unique_ptr<Plugin> make_local_plugin() {
  return std::make_unique<local::Local>();
}

}  // namespace slipway
