#include "report/junit.h"

#include <catch2/catch.hpp>

#include "support/fake_run.h"

using namespace slipway;
using namespace slipway::test;

namespace {

Report sample() {
  Report report;
  report.spec = "shop";
  report.started = 1'700'000'000'000'000;
  report.took = Millis(2500);
  StepReport build;
  build.name = "build.users";
  build.phase = "build";
  build.finished = true;
  build.result = Result::success;
  build.took = Millis(1200);
  StepReport test = build;
  test.name = "test.users";
  test.phase = "test";
  test.result = Result::failure;
  test.message = "1 of 2 tests failed";
  test.tests = {{{"name", "test_up"}, {"suite", "users"}, {"result", "success"}, {"ms", 12}},
                {{"name", "a < b & \"c\""},
                 {"result", "failure"},
                 {"message", "got 1\nwant 2"},
                 {"output", "trace \x1b[1m\xff"},
                 {"file", "tests/a.py"}}};
  report.steps = {build, test};
  return report;
}

}  // namespace

TEST_CASE("JUnit: a suite per tested step, one more for the other steps", "[report]") {
  CHECK(junit_xml(sample()) == R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="shop" time="2.500">
  <testsuite name="test.users" tests="2" failures="1" errors="0" skipped="0" time="0.012" timestamp="2023-11-14T22:13:20.000000Z">
    <testcase name="test_up" classname="users" time="0.012"/>
    <testcase name="a &lt; b &amp; &quot;c&quot;" classname="test.users" time="0.000" file="tests/a.py">
      <failure message="got 1&#10;want 2" type="failure">trace )"
                               "\xEF\xBF\xBD[1m\xEF\xBF\xBD"
                               R"(</failure>
    </testcase>
  </testsuite>
  <testsuite name="slipway" tests="1" failures="0" errors="0" skipped="0" time="1.200" timestamp="2023-11-14T22:13:20.000000Z">
    <testcase name="build.users" classname="build" time="1.200"/>
  </testsuite>
</testsuites>
)");
}

TEST_CASE("JUnit: a step that ended otherwise than by a red test is not green", "[report]") {
  auto report = sample();
  auto& test = report.steps[1];
  test.tests.pop_back();
  test.result = Result::timeout;
  test.message = "took longer than 5m00s";
  test.last_lines = {"still waiting"};
  const auto xml = junit_xml(report);
  CHECK(xml.find("<error message=\"took longer than 5m00s\" type=\"timeout\">still waiting&#10;</error>") !=
        std::string::npos);
  CHECK(xml.find("name=\"slipway\" tests=\"2\" failures=\"0\" errors=\"1\"") != std::string::npos);
}

TEST_CASE("JUnit: a crashed run has an error where it stopped", "[report]") {
  auto report = sample();
  report.steps[0].finished = false;
  CHECK(junit_xml(report).find("<error message=\"the run ended before it\" type=\"error\"/>") !=
        std::string::npos);
}
