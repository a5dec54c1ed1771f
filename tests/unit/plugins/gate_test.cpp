// What the gates say, and how questions, answers and turns lie on the disk.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "plugins/gate/decision.h"
#include "plugins/gate/queue.h"
#include "plugins/gate/same.h"
#include "sys/account.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::gate;

namespace {

constexpr std::int64_t kNow = 1'790'000'000'000'000;

json replicas(int healthy, int all) {
  json out = json::array();
  for (int i = 0; i < all; ++i)
    out.push_back({{"id", "x"}, {"health", i < healthy ? "healthy" : "unhealthy"}});
  return out;
}

// A staging whose release r4 is good since ten minutes.
json params(json services, json images, std::int64_t for_ms = 0) {
  return {{"environment", "staging"},
          {"images", images},
          {"for_ms", for_ms},
          {"status", {{"release", "r4"}, {"live", format_utc(kNow - 600'000'000)}, {"services", services}}}};
}

std::vector<std::string> lines(const json& given) {
  return compare(given, kNow).lines;
}

}  // namespace

TEST_CASE("a gate is open when the same images serve, healthy", "[gate]") {
  const json served = {
      {{"name", "web"}, {"image", "sha256:1111222233334444"}, {"wanted", 2}, {"replicas", replicas(2, 2)}},
      {{"name", "more"}, {"image", "sha256:5"}, {"wanted", 1}, {"replicas", replicas(0, 1)}}};
  const auto verdict = compare(params(served, {{"web", "sha256:1111222233334444"}}), kNow);
  CHECK(verdict.open);
  CHECK(verdict.lines == std::vector<std::string>{"staging serves the same 1 image, healthy, as release r4 "
                                                  "since 2026-09-21T14:03:20Z (10m00s)"});
}

TEST_CASE("a gate that is closed says of each service why", "[gate]") {
  const json served = {
      {{"name", "web"}, {"image", "sha256:1111222233334444"}, {"wanted", 2}, {"replicas", replicas(2, 2)}},
      {{"name", "ill"}, {"image", "sha256:2"}, {"wanted", 3}, {"replicas", replicas(1, 3)}},
      {{"name", "late"}, {"image", "sha256:3"}, {"wanted", 1}, {"ready", 0}, {"why", "a node"}},
      {{"name", "off"}, {"image", "sha256:4"}, {"wanted", 0}, {"replicas", json::array()}},
      {{"name", "odd"}, {"image", "sha256:5"}, {"wanted", 1}, {"ready", 1}, {"drift", "it was changed"}}};
  CHECK(
      lines(params(served,
                   {{"web", "sha256:9999888877776666"},
                    {"ill", "sha256:2"},
                    {"late", "sha256:3"},
                    {"off", "sha256:4"},
                    {"odd", "sha256:5"},
                    {"none", "sha256:6"}},
                   3'600'000)) ==
      std::vector<std::string>{
          "ill: 1 of 3 replicas are healthy in staging",
          "late: 0 of 1 replicas are healthy in staging, it waits for a node", "none does not run in staging",
          "odd: it was changed in staging", "off has no replica in staging",
          "web: staging serves sha256:111122223333 since 2026-09-21T14:03:20Z (10m00s), this rollout brings "
          "sha256:999988887777"});
}

TEST_CASE("a gate waits for a release that is good long enough", "[gate]") {
  const json served = {{{"name", "web"}, {"image", "sha256:1"}, {"wanted", 1}, {"replicas", replicas(1, 1)}}};
  CHECK(compare(params(served, {{"web", "sha256:1"}}, 600'000), kNow).open);
  CHECK(lines(params(served, {{"web", "sha256:1"}}, 900'000)) ==
        std::vector<std::string>{
            "release r4 is good in staging since 2026-09-21T14:03:20Z (10m00s), 15m00s are "
            "asked for: 5m00s to go"});
  auto under_way = params(served, {{"web", "sha256:1"}});
  under_way["status"]["rollout"] = "r5";
  CHECK(lines(under_way) == std::vector<std::string>{"release r5 is on its way in staging, or was cut off"});
  auto nothing = params(json::array(), {{"web", "sha256:1"}});
  nothing["status"]["release"] = "";
  CHECK(lines(nothing) == std::vector<std::string>{"nothing was rolled out to staging yet"});
}

TEST_CASE("the first answer to a question stands, in the name of who wrote it", "[gate]") {
  TempDir dir(fs::temp_directory_path(), "gate-");
  Question question;
  question.step = "approval.prod";
  question.environment = "prod";
  ask(dir.path(), question);
  REQUIRE(open_questions(dir.path()).size() == 1);
  CHECK_FALSE(decision(dir.path(), question.step));
  decide(dir.path(), question, "denied", "on Fridays never", "command");
  CHECK(open_questions(dir.path()).empty());
  const auto answer = decision(dir.path(), question.step);
  REQUIRE(answer);
  CHECK(answer->answer == "denied");
  CHECK(answer->why == "on Fridays never");
  CHECK(answer->who.uid == ::geteuid());
  CHECK_THROWS_WITH(decide(dir.path(), question, "approved", "", "command"),
                    fmt::format("`{}` was faster: denied", own_account().name));
  CHECK(decision(dir.path(), question.step)->answer == "denied");
  take_back(dir.path(), question.step);
  CHECK(open_questions(dir.path()).empty());
}

TEST_CASE("who is not asked may not answer", "[gate]") {
  TempDir dir(fs::temp_directory_path(), "gate-");
  Question question;
  question.step = "approval.prod";
  question.environment = "prod";
  question.by = {"nobody-such", "other"};
  CHECK_THROWS_WITH(decide(dir.path(), question, "approved", "", "command"),
                    fmt::format("`{}` may not decide on `prod`", own_account().name));
  CHECK_FALSE(decision(dir.path(), question.step));
  CHECK(question.who() == "nobody-such or other");
  question.by.push_back(own_account().name);
  CHECK(question.allows(own_account()));
  Account member{4711, "anna", {"users", "sre"}};
  question.by = {"sre"};
  CHECK(question.allows(member));
  CHECK_FALSE(is_account_or_group("nobody-such"));
  CHECK(is_account_or_group("root"));
}

TEST_CASE("turns come in the order of arrival, and those of the dead are free", "[gate]") {
  TempDir dir(fs::temp_directory_path(), "gate-");
  const auto folder = queue_folder(dir.path(), "prod");
  auto first = std::make_unique<Place>(folder, "r-9");
  CHECK(first->before().empty());
  const Place second(folder, "r-3"), third(folder, "r-4");
  REQUIRE(third.before().size() == 2);
  CHECK(third.before()[0].run == "r-9");
  CHECK(second.before().size() == 1);
  CHECK(waiting_in(folder).size() == 3);
  // As a process leaves that was killed: its file, and no lock.
  const auto left = read_file(folder / "1");
  first.reset();
  write_file_atomic(folder / "1", left);
  CHECK(second.before().empty());
  CHECK(third.before().size() == 1);
  CHECK_FALSE(fs::exists(folder / "1"));
}
