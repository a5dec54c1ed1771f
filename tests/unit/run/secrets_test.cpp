// Secrets reach the steps that declare them, and nothing else.
#include "run/secrets.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "support/fake_run.h"

using namespace slipway;
using namespace slipway::test;

namespace {

constexpr const char* kValue = "s3cr\"et/va+lue";

struct SecretRun : FakeRun {
  SecretRun() {
    ::setenv("SLIPWAY_TEST_TOKEN", kValue, 1);
    plan.plan.secrets["token"] = {SecretSource::Kind::env, "SLIPWAY_TEST_TOKEN", {}};
    plan.plan.secrets["other"] = {SecretSource::Kind::env, "SLIPWAY_TEST_TOKEN", {}};
  }
  std::string all_lines() const {
    std::string out;
    for (const auto& event : events) out += to_line(event);
    return out;
  }
};

}  // namespace

TEST_CASE("a step gets the secrets it lists and its action declares", "[run][secrets]") {
  SecretRun r;
  r.plan.step("push.a").secrets = {"token", "other"};
  r.work.bodies["push.a"] = [](const Invocation& invocation, Context&) {
    CHECK(invocation.secrets.size() == 1);
    CHECK(invocation.secrets.at("token").reveal() == kValue);
    return Outcome::success();
  };
  r.run();
  CHECK(r.finished.result == Result::success);
}

TEST_CASE("no form of a secret stands in any event", "[run][secrets]") {
  SecretRun r;
  r.plan.step("push.a").secrets = {"token"};
  const std::string base64 = "czNjciJldC92YStsdWU=", url = "s3cr%22et%2Fva%2Blue",
                    quoted = "s3cr\\\"et/va+lue";
  r.work.bodies["push.a"] = [&](const Invocation&, Context& context) {
    const std::string value = kValue;
    context.log("raw " + value + " end\n");
    context.log("split " + value.substr(0, 5));
    context.log(value.substr(5) + " end\n");
    context.log("base64 " + base64 + "\nurl " + url + "\njson " + quoted + "\n", true);
    context.progress({"login " + value, 0, 0, ""});
    context.event("diagnostic", {{"level", "info"}, {"code", "SW0001"}, {"message", "with " + value}});
    auto outcome = Outcome::failed("curl -u " + value);
    outcome.detail = "Authorization: Basic " + base64;
    outcome.outputs = {{"url", "https://" + value + "@host"}};
    return outcome;
  };
  r.run();
  const auto text = r.all_lines();
  for (const auto& form : {std::string(kValue), base64.substr(0, 16), url, quoted}) {
    INFO(form);
    CHECK(text.find(form) == std::string::npos);
  }
  CHECK(r.step("push.a").last_lines ==
        std::vector<std::string>{"raw *** end", "split *** end", "base64 ***U=", "url ***", "json ***"});
  CHECK(r.step("push.a").message == "curl -u ***");
}

TEST_CASE("a secret that is not there is an error of the step that needs it, without a value",
          "[run][secrets]") {
  FakeRun r;
  r.plan.plan.secrets["token"] = {SecretSource::Kind::env, "SLIPWAY_TEST_MISSING", {}};
  r.plan.step("push.a").secrets = {"token"};
  r.run();
  CHECK(r.finished.exit == 2);
  CHECK(r.step("push.a").message ==
        "secret `token`: the environment variable `SLIPWAY_TEST_MISSING` is not set");
  CHECK(r.work.all_runs() == 0);
}

TEST_CASE("secrets come from files and commands too", "[run][secrets]") {
  TempDir dir(fs::temp_directory_path(), "slipway-secrets-");
  write_file_atomic(dir.path() / "one", "hunter22\n");
  write_file_atomic(dir.path() / "key", "-----BEGIN\nabc\n");
  write_file_atomic(dir.path() / "empty", "\n");
  const auto from_file = [&](const std::string& name) {
    return resolve_secret("x", {SecretSource::Kind::file, name, {}}, dir.path()).reveal();
  };
  CHECK(from_file("one") == "hunter22");
  CHECK(from_file("key") == "-----BEGIN\nabc\n");
  CHECK_THROWS_AS(from_file("empty"), Error);
  CHECK_THROWS_AS(from_file("none"), Error);
  CHECK(resolve_secret("x", {SecretSource::Kind::command, "", {"printf", "a b\\n"}}, dir.path()).reveal() ==
        "a b");
  std::string text;
  try {
    resolve_secret("x", {SecretSource::Kind::command, "", {"false"}}, dir.path());
  } catch (const Error& e) {
    text = e.str();
  }
  CHECK(text == "`false` failed: exit 1\n  while reading the secret `x`");
}
