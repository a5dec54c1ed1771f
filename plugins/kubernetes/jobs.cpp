#include "plugins/kubernetes/jobs.h"

#include "base/clock.h"
#include "plugins/kubernetes/evidence.h"
#include "plugins/kubernetes/judge.h"
#include "plugins/kubernetes/pod_log.h"

namespace slipway::kubernetes {

namespace {

struct Running {
  const ServiceObjects* service;
  std::string name;
  Judge judge;
  std::shared_ptr<PodLog> log;
  bool done = false;
};

// The Job of a release whose slipway was killed, when it is the same one and did not fail: a migration is not
// begun a second time beside itself. Others of this name go to `stale`.
std::string cut_off_job(const Cluster& cluster, const json& manifest, const std::string& hash,
                        std::vector<ObjectKey>& stale) {
  const auto prefix = manifest.value("/metadata/name"_json_pointer, "") + "-r";
  std::string out;
  for (const auto& [key, written] : cluster.state().objects) {
    if (key.kind != "Job" || !key.name.starts_with(prefix) ||
        key.name.find_first_not_of("0123456789", prefix.size()) != std::string::npos)
      continue;
    const auto now = cluster.live().find(key);
    bool usable = now != cluster.live().end() && written.hash == hash &&
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

}  // namespace

void run_jobs(Cluster& cluster, const Level& level, json ServiceObjects::*job, const std::string& release,
              const char* when, const std::function<void()>& check) {
  std::vector<json> manifests;
  std::vector<Running> running;
  std::vector<ObjectKey> stale;
  for (const auto* service : level) {
    if ((service->*job).is_null()) continue;
    auto manifest = service->*job;
    const auto hash = hash_of(manifest);
    auto name = cut_off_job(cluster, manifest, hash, stale);
    if (name.empty()) {
      name = manifest.value("/metadata/name"_json_pointer, "") + "-" + release;
      manifest["metadata"]["name"] = name;
      cluster.state().objects[key_of(manifest)] = {hash, ""};
      manifests.push_back(std::move(manifest));
      cluster.log(fmt::format("{}: running its command {} the rollout", service->name, when));
    } else {
      cluster.log(fmt::format("{}: its command {} the rollout runs since {} was cut off", service->name, when,
                              name.substr(name.rfind('-') + 1)));
    }
    running.push_back({service, name, Judge(Millis(0)), nullptr, false});
  }
  if (running.empty()) return;
  cluster.remove(stale, true);
  cluster.save_state();
  cluster.writer().apply(manifests);
  cluster.wake();
  for (;;) {
    check();
    if (cluster.news()) {
      bool all = true;
      for (auto& one : running) {
        const auto now = cluster.jobs().find(one.name);
        const auto verdict = one.judge.look_job(now == cluster.jobs().end() ? json() : now->second,
                                                cluster.pods(), now_micros());
        if (const auto pod = cluster.pods().find(verdict.pod);
            !one.log && pod != cluster.pods().end() && has_started(pod->second))
          one.log = follow(cluster.api(), cluster.place(), pod->second,
                           fmt::format("{} {}", one.service->name, when), cluster.context());
        if (verdict.state == Verdict::State::failed) {
          finish(cluster.api(), one.log);
          throw Unhealthy{
              one.service->name, fmt::format("its command {} the rollout failed: {}", when, verdict.why),
              verdict.pod.empty() ? "" : evidence_of(cluster.api(), cluster.place(), verdict.pod)};
        }
        if (verdict.state == Verdict::State::ready && !std::exchange(one.done, true))
          finish(cluster.api(), one.log);
        all &= one.done;
        if (!one.done)
          cluster.progress(fmt::format("{} {}: waits for {}", one.service->name, when, verdict.why));
      }
      if (all) return;
    }
    cluster.poll();
  }
}

}  // namespace slipway::kubernetes
