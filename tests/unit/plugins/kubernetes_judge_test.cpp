// When a workload serves, when it is on its way, when it has failed: told from what clusters say.
#include "plugins/kubernetes/judge.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::kubernetes;

namespace {

using State = Verdict::State;

json deployment(int replicas, int updated, int available, int total, int generation = 2, int observed = 2) {
  return {{"kind", "Deployment"},
          {"metadata",
           {{"name", "web"},
            {"uid", "d"},
            {"generation", generation},
            {"annotations", {{"deployment.kubernetes.io/revision", "2"}}}}},
          {"spec", {{"replicas", replicas}}},
          {"status",
           {{"observedGeneration", observed},
            {"replicas", total},
            {"updatedReplicas", updated},
            {"readyReplicas", available},
            {"availableReplicas", available}}}};
}

json set(const std::string& uid, const std::string& revision) {
  return {{"metadata",
           {{"uid", uid},
            {"annotations", {{"deployment.kubernetes.io/revision", revision}}},
            {"ownerReferences", {{{"uid", "d"}}}}}}};
}

json pod(const std::string& owner, bool ready, json container = json::object()) {
  container["name"] = "web";
  return {{"metadata", {{"name", "web-1"}, {"uid", "p"}, {"ownerReferences", {{{"uid", owner}}}}}},
          {"status",
           {{"phase", "Running"},
            {"conditions", {{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}},
            {"containerStatuses", {container}}}}};
}

json waiting(const char* reason, const char* message, int restarts = 0) {
  return {{"state", {{"waiting", {{"reason", reason}, {"message", message}}}}}, {"restartCount", restarts}};
}

const Objects kSets = {{"old", set("old", "1")}, {"new", set("new", "2")}};
constexpr std::int64_t kSecond = 1'000'000;

Verdict look(const json& workload, const Objects& pods) {
  return Judge(Millis(5'000)).look(workload, kSets, pods, kSecond);
}

}  // namespace

TEST_CASE("all of the new version ready and none of the old left: it serves", "[kubernetes]") {
  CHECK(look(deployment(1, 1, 1, 1), {{"web-1", pod("new", true)}}).state == State::ready);
  const auto left = look(deployment(1, 1, 1, 2), {{"web-1", pod("new", true)}});
  CHECK(left.state == State::waiting);
  CHECK(left.why == "the old ones to end");
  CHECK(look(deployment(0, 0, 0, 0), {}).state == State::ready);
  CHECK(look(nullptr, {}).state == State::waiting);
}

TEST_CASE("what the controllers have not seen yet is no answer, whatever it says", "[kubernetes]") {
  const auto verdict = look(deployment(1, 1, 1, 1, 3, 2), {{"web-1", pod("new", true)}});
  CHECK(verdict.state == State::waiting);
  CHECK(verdict.why == "the cluster's controllers have not seen it yet");
}

TEST_CASE("pods of an older version are not judged", "[kubernetes]") {
  const auto broken = pod("old", false, waiting("CrashLoopBackOff", "back-off", 9));
  const auto verdict = look(deployment(1, 1, 0, 2), {{"web-0", broken}, {"web-1", pod("new", false)}});
  CHECK(verdict.state == State::waiting);
}

TEST_CASE("an image that cannot be pulled fails at the second try, one that is misnamed at once",
          "[kubernetes]") {
  const auto state = [&](const char* reason) {
    return look(deployment(1, 1, 0, 1), {{"web-1", pod("new", false, waiting(reason, "manifest unknown"))}})
        .state;
  };
  CHECK(state("ErrImagePull") == State::waiting);
  CHECK(state("ImagePullBackOff") == State::failed);
  CHECK(state("InvalidImageName") == State::failed);
  Judge judge(Millis(0));
  const Objects pods = {{"web-1", pod("new", false, waiting("ErrImagePull", "timeout"))}};
  CHECK(judge.look(deployment(1, 1, 0, 1), kSets, pods, kSecond).state == State::waiting);
  CHECK(judge.look(deployment(1, 1, 0, 1), kSets, pods, 20 * kSecond).state == State::failed);
}

TEST_CASE("one crash is bad luck, the third is not, and it says how it ended", "[kubernetes]") {
  const auto crashed = [&](int restarts, json last) {
    auto container = waiting("CrashLoopBackOff", "back-off", restarts);
    container["lastState"]["terminated"] = std::move(last);
    return look(deployment(1, 1, 0, 1), {{"web-1", pod("new", false, container)}});
  };
  CHECK(crashed(1, {{"exitCode", 3}}).state == State::waiting);
  const auto third = crashed(2, {{"exitCode", 3}, {"reason", "Error"}});
  CHECK(third.state == State::failed);
  CHECK(third.why == "it ends again and again: exit 3");
  CHECK(third.pod == "web-1");
  CHECK(crashed(2, {{"exitCode", 137}, {"reason", "OOMKilled"}}).why ==
        "it ends again and again: killed: it used more memory than its limit");
}

TEST_CASE("the wrong kind of processor and a missing Secret are told as what they are", "[kubernetes]") {
  const auto wrong =
      look(deployment(1, 1, 0, 1),
           {{"web-1", pod("new", false, waiting("RunContainerError", "exec /app: exec format error"))}});
  CHECK(wrong.state == State::failed);
  CHECK(wrong.why.find("another kind of processor") != std::string::npos);
  Judge judge(Millis(0));
  const Objects pods = {
      {"web-1", pod("new", false, waiting("CreateContainerConfigError", "secret \"x\" not found"))}};
  CHECK(judge.look(deployment(1, 1, 0, 1), kSets, pods, kSecond).state == State::waiting);
  const auto missing = judge.look(deployment(1, 1, 0, 1), kSets, pods, 12 * kSecond);
  CHECK(missing.state == State::failed);
  CHECK(missing.why == "the container cannot start: secret \"x\" not found");
}

TEST_CASE("a probe that fails for longer than it may, fails the rollout, and without one it waits",
          "[kubernetes]") {
  const json running = {{"state", {{"running", {{"startedAt", "2026-01-01T00:00:00Z"}}}}}, {"ready", false}};
  const Objects pods = {{"web-1", pod("new", false, running)}};
  Judge judge(Millis(5'000)), patient(Millis(0));
  for (auto* one : {&judge, &patient})
    CHECK(one->look(deployment(1, 1, 0, 1), kSets, pods, kSecond).state == State::waiting);
  const auto late = judge.look(deployment(1, 1, 0, 1), kSets, pods, 7 * kSecond);
  CHECK(late.state == State::failed);
  CHECK(late.why == "its healthcheck does not pass within 5.0s");
  CHECK(patient.look(deployment(1, 1, 0, 1), kSets, pods, 1'000 * kSecond).state == State::waiting);
}

TEST_CASE("no node takes it: it waits and says so, and no pod may be made: it fails when that lasts",
          "[kubernetes]") {
  auto lost = pod("new", false);
  lost["status"]["conditions"].push_back(
      {{"type", "PodScheduled"}, {"status", "False"}, {"message", "0/3 nodes: insufficient cpu"}});
  Judge judge(Millis(5'000));
  for (const auto now : {1, 100, 1'000}) {
    const auto verdict = judge.look(deployment(1, 1, 0, 1), kSets, {{"web-1", lost}}, now * kSecond);
    CHECK(verdict.state == State::waiting);
    CHECK(verdict.why == "a node that takes it: 0/3 nodes: insufficient cpu");
  }
  auto refused = kSets;
  refused["new"]["status"]["conditions"] = {
      {{"type", "ReplicaFailure"}, {"status", "True"}, {"message", "exceeded quota: pods=3"}}};
  Judge strict(Millis(5'000));
  CHECK(strict.look(deployment(1, 0, 0, 0), refused, {}, kSecond).state == State::waiting);
  const auto quota = strict.look(deployment(1, 0, 0, 0), refused, {}, 12 * kSecond);
  CHECK(quota.state == State::failed);
  CHECK(quota.why == "no pod can be made: exceeded quota: pods=3");
}

TEST_CASE("a StatefulSet serves when its update revision does", "[kubernetes]") {
  json workload = {{"kind", "StatefulSet"},
                   {"metadata", {{"name", "db"}, {"uid", "s"}, {"generation", 1}}},
                   {"spec", {{"replicas", 1}}},
                   {"status",
                    {{"observedGeneration", 1},
                     {"replicas", 1},
                     {"readyReplicas", 1},
                     {"updatedReplicas", 1},
                     {"currentRevision", "b"},
                     {"updateRevision", "b"}}}};
  auto one = pod("s", true);
  one["metadata"]["labels"]["controller-revision-hash"] = "b";
  CHECK(look(workload, {{"db-0", one}}).state == State::ready);
  one["metadata"]["labels"]["controller-revision-hash"] = "a";
  CHECK(look(workload, {{"db-0", one}}).state == State::waiting);
}
