#include "plugins/local/local.h"

#include "oci/store.h"
#include "plugins/local/actions.h"
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
  const auto plans = plan_services(invocation, oci::open_user_store(invocation.cache_dir));
  const auto lock = lock_place(place);
  Rollout rollout(place, context);
  if (!rollout.is_done(plans)) return rollout.run(plans);
  std::size_t replicas = 0;
  for (const auto& plan : plans) replicas += static_cast<std::size_t>(plan.replicas);
  context.log(fmt::format("nothing to do: {} replica{} of {} service{} run as they should\n", replicas,
                          replicas == 1 ? "" : "s", plans.size(), plans.size() == 1 ? "" : "s"));
  return Outcome::success({{"release", rollout.state().release},
                           {"previous", rollout.state().release},
                           {"changed", json::array()},
                           {"urls", rollout.urls(plans)}});
}

json preview_apply(const Invocation& invocation, Context& context) {
  const auto place = Place::of(invocation);
  const auto plans = plan_services(invocation, oci::open_user_store(invocation.cache_dir), Secrets::unknown);
  const Rollout rollout(place, context);
  auto lines = rollout.foresee(plans);
  const bool changes = !lines.empty();
  if (!changes) lines.push_back("all run as they should, unless a secret has changed");
  return {{"lines", lines}, {"changes", changes}};
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
