// What the tasks of a swarm mean.
#include "plugins/swarm/judge.h"

#include <catch2/catch.hpp>

#include "plugins/swarm/quantity.h"

using namespace slipway::swarm;
using State = Verdict::State;

namespace {

ServiceSpec service(int replicas) {
  ServiceSpec out;
  out.name = "web";
  out.spec = {{"Name", "shop-test-web"},
              {"Mode", {{"Replicated", {{"Replicas", replicas}}}}},
              {"TaskTemplate", {{"ContainerSpec", {{"Labels", {{label::task, "new"}}}}}}}};
  return out;
}

json task(const std::string& id, int slot, const std::string& state, const std::string& error = "",
          const std::string& hash = "new") {
  const bool ended = state == "failed" || state == "rejected" || state == "complete" || state == "shutdown";
  return {{"ID", id},
          {"Slot", slot},
          {"CreatedAt", id},
          {"DesiredState", ended ? "shutdown" : "running"},
          {"Spec", {{"ContainerSpec", {{"Labels", {{label::task, hash}}}}}}},
          {"Status", {{"State", state}, {"Err", error}, {"ContainerStatus", {{"ExitCode", 3}}}}}};
}

const json kThere = {{"ID", "s"}};

Verdict look(int replicas, const std::vector<json>& tasks, const json& there = kThere,
             const std::set<std::string>& before = {}) {
  return judge(service(replicas), there, tasks, before);
}

}  // namespace

TEST_CASE("a service serves when all its new containers run and no old one is wanted", "[swarm]") {
  CHECK(look(2, {task("1", 1, "running"), task("2", 2, "running")}).state == State::ready);
  const auto half = look(2, {task("1", 1, "running"), task("2", 2, "starting")});
  CHECK(half.state == State::waiting);
  CHECK(half.ready == 1);
  CHECK(half.why == "its healthcheck");
  const auto old = look(1, {task("1", 1, "running"), task("0", 1, "running", "", "old")});
  CHECK(old.state == State::waiting);
  CHECK(old.why == "1 of the version before to end");
  CHECK(look(0, {}).state == State::ready);
}

TEST_CASE("one crash on a swarm is bad luck, the third in the same place is not", "[swarm]") {
  const std::string exit = "task: non-zero exit (3)";
  const auto twice = look(2, {task("1", 1, "failed", exit), task("2", 2, "failed", exit),
                              task("3", 1, "ready"), task("4", 2, "failed", exit)});
  CHECK(twice.state == State::waiting);
  const auto thrice =
      look(1, {task("1", 1, "failed", exit), task("2", 1, "failed", exit), task("3", 1, "failed", exit)});
  CHECK(thrice.state == State::failed);
  CHECK(thrice.why == "it ends again and again: exit 3");
  CHECK(thrice.tasks.size() == 1);
  INFO("those of an earlier rollout and of another version do not count");
  CHECK(look(1, {task("1", 1, "failed", exit), task("2", 1, "failed", exit), task("3", 1, "failed", exit)},
             kThere, {"1"})
            .state == State::waiting);
  CHECK(look(1, {task("1", 1, "failed", exit, "old"), task("2", 1, "failed", exit),
                 task("3", 1, "failed", exit)})
            .state == State::waiting);
}

TEST_CASE("what cannot become good on a swarm is told as what it is", "[swarm]") {
  const auto image = "No such image: x@sha256:0";
  CHECK(look(1, {task("1", 1, "rejected", image)}).state == State::waiting);
  CHECK(look(1, {task("1", 1, "rejected", image), task("2", 1, "rejected", image)}).why ==
        "the image cannot be pulled: No such image: x@sha256:0");
  CHECK(look(1, {task("1", 1, "failed", "starting container failed: exec: exec format error")}).why ==
        "its image is for another processor: exec format error");
  CHECK(look(1, {task("1", 1, "failed", "task: non-zero exit (137): dockerexec: unhealthy container")}).why ==
        "its healthcheck does not pass");
  const auto room = look(1, {task("1", 1, "pending", "no suitable node (insufficient resources on 1 node)")});
  CHECK(room.state == State::waiting);
  CHECK(room.why == "no suitable node (insufficient resources on 1 node)");
  CHECK(look(1, {}, nullptr).why == "somebody removed it");
}

TEST_CASE("the swarm's own updater never decides", "[swarm]") {
  const json back = {{"UpdateStatus", {{"State", "rollback_completed"}, {"Message", "rollback completed"}}}};
  CHECK(look(1, {task("1", 1, "running")}, back).state == State::failed);
  const json paused = {{"UpdateStatus", {{"State", "paused"}}}};
  const auto failed = task("1", 1, "failed", "task: non-zero exit (3)");
  const auto begun = look(2, {failed, task("2", 1, "starting")}, paused);
  CHECK(begun.state == State::waiting);
  CHECK_FALSE(begun.paused);  // to go on now would end the old one for one that does not run
  const auto again = look(2, {failed, task("2", 1, "running"), task("0", 2, "running", "", "old")}, paused);
  CHECK(again.state == State::waiting);
  CHECK(again.paused);
}

TEST_CASE("a command on a swarm is done when it ended well", "[swarm]") {
  CHECK(judge_command({}).state == State::waiting);
  CHECK(judge_command({task("1", 1, "running")}).why == "its end");
  CHECK(judge_command({task("1", 1, "complete")}).state == State::ready);
  CHECK(judge_command({task("1", 1, "failed", "task: non-zero exit (3)")}).why == "exit 3");
}

TEST_CASE("amounts of processors and memory", "[swarm]") {
  CHECK(amount_of("250m") == Approx(0.25));
  CHECK(amount_of("16Gi") == Approx(17179869184.0));
  CHECK(amount_of("1.5") == Approx(1.5));
  CHECK_THROWS_WITH(amount_of("1Xi"), "`1Xi` is no amount that a swarm takes");
}
