// Tests inside an image, with real sandboxes, networks and backing services.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "oci/network.h"
#include "plugins/builtin.h"
#include "support/busybox_image.h"
#include "support/kept_context.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

namespace {

bool ready() {
  return have_root() && have_runtime() && have("busybox") && have("ip") && have("iptables");
}

std::string output_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return run_capture(command);
}

// What a test whose cache lies below `dir` could leave on the machine: networks, and namespaces and rules of
// bridges that are no more (others that run beside this test have theirs), mounts.
std::string traces(const fs::path& dir) {
  std::string out;
  for (const auto& state : oci::Network::all())
    if (state.string().starts_with(dir.string())) out += "network " + state.string() + "\n";
  const auto is_orphan = [](const std::string& bridge) { return !fs::exists("/sys/class/net/" + bridge); };
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/run/netns", ec))
    if (const auto name = entry.path().filename().string();
        name.starts_with("slw") && is_orphan(name.substr(0, 15)))
      out += "netns " + name + "\n";
  std::istringstream rules(output_of({"iptables", "-t", "nat", "-S"}));
  for (std::string line; std::getline(rules, line);)
    if (const auto at = line.find(" slw"); at != std::string::npos && is_orphan(line.substr(at + 1, 15)))
      out += line + "\n";
  std::istringstream mounts(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);)
    if (line.find(dir.string()) != std::string::npos) out += line + "\n";
  return out;
}

struct Place {
  TempDir dir{fs::temp_directory_path(), "slipway-test-plugin-"};
  Plugins plugins;
  Invocation invocation;
  KeptContext context;
  oci::Store store;
  json image;
  std::string before = traces(dir.path());  // of others

  Place() : store(oci::open_user_store(dir.path() / "cache")) {
    add_builtin_plugins(plugins);
    invocation.action = "run";
    invocation.project_dir = dir.path();
    invocation.cache_dir = dir.path() / "cache";
    invocation.state_dir = dir.path() / "state";
    invocation.work_dir = dir.path() / "work";
    invocation.reports_dir = dir.path() / "reports";
    make_dirs(invocation.work_dir);
    make_dirs(invocation.reports_dir);
    oci::ImageConfig config;
    config.env = {"PATH=/bin", "FROM_IMAGE=yes"};
    config.working_dir = "/tmp";
    image = to_json(make_busybox_image(store, config, {{"srv/www/healthz", "fine\n"}}));
  }
  // As the engine does between two attempts.
  void fresh_work() const {
    remove_tree(invocation.work_dir);
    make_dirs(invocation.work_dir);
  }
  Outcome run(json params) {
    params["image"] = image;
    invocation.params = std::move(params);
    return plugins.get("test", dir.path()).run(invocation, context);
  }
  json service(const std::string& command, json healthcheck = nullptr) const {
    json out = {{"image", image}, {"command", {"sh", "-c", command}}};
    if (!healthcheck.is_null()) {
      healthcheck.update({{"interval_ms", 100}, {"timeout_ms", 500}}, true);
      if (!healthcheck.contains("retries")) healthcheck["retries"] = 100;
      out["healthcheck"] = std::move(healthcheck);
    }
    return out;
  }
  void nothing_left() const {
    CHECK(eventually([&] { return traces(dir.path()) == before; }, Millis(5000)));
    CHECK(traces(dir.path()) == before);
    std::error_code ec;
    for (const auto* folder : {"cache/scratch", "cache/test-networks"}) {
      INFO(folder);
      CHECK((!fs::exists(dir.path() / folder) || fs::is_empty(dir.path() / folder, ec)));
    }
  }
};

constexpr const char* kServer = "exec httpd -f -p 8080 -h /srv/www";

}  // namespace

TEST_CASE("a green test runs in the image with its environment, folder and a network of its own", "[test]") {
  if (!ready()) return;
  Place place;
  place.invocation.secrets.emplace("password", Secret("s3cr3t"));
  const auto outcome =
      place.run({{"run", "echo $FROM_IMAGE $MINE $PASSWORD; pwd; id -u; ip -o link | grep -c ."},
                 {"env", {{"MINE", "too"}}},
                 {"secret_env", {{"PASSWORD", "password"}}},
                 {"user", "app"}});
  CHECK(outcome.ok);
  CHECK_THAT(place.context.text(), Catch::Contains("yes too s3cr3t\n/tmp\n1000\n2\n"));
  CHECK(outcome.outputs == json{{"passed", 0}, {"failed", 0}, {"skipped", 0}, {"reports", json::array()}});
  place.nothing_left();
}

TEST_CASE("a red test is shown with its last lines", "[test]") {
  if (!ready()) return;
  Place place;
  const auto outcome = place.run({{"run", "seq 1 100; echo boom >&2; exit 7"}});
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.exit_code == 1);
  CHECK_FALSE(outcome.infrastructure);
  CHECK(outcome.failure == "exit 7 in `seq 1 100; echo boom >&2; exit 7`");
  CHECK_THAT(outcome.detail, Catch::StartsWith("72\n73\n") && Catch::EndsWith("100\nboom"));
  const auto missing = place.run({{"run", {"no-such-runner", "-q"}}});
  CHECK(missing.failure == "exit 127 in `no-such-runner -q`");
  CHECK_THAT(missing.detail, Catch::EndsWith("`no-such-runner` is not in the image"));
  place.nothing_left();
}

TEST_CASE("backing services are reached by name once they are healthy, in the order of their needs",
          "[test]") {
  if (!ready()) return;
  Place place;
  auto web =
      place.service(std::string("cat /srv/www/healthz; ") + kServer, {{"http", "/healthz"}, {"port", 8080}});
  web["depends_on"] = {{"db", "healthy"}};
  web["secret_files"] = {{"/run/key", "key"}};
  auto db = place.service("sleep 0.3; echo up > /tmp/up; nc -ll -p 5432 -e echo hello-$NAME",
                          {{"test", {"grep", "up", "/tmp/up"}}});
  db["environment"] = {{"NAME", "db"}};
  place.invocation.secrets.emplace("key", Secret("k3y"));
  const auto outcome =
      place.run({{"run", "nc db 5432 </dev/null; nc web 8080 <<EOF\nGET /healthz HTTP/1.0\n\nEOF\n"},
                 {"services", {{"web", web}, {"db", db}}}});
  INFO(outcome.failure << outcome.detail << place.context.text());
  CHECK(outcome.ok);
  CHECK_THAT(place.context.text(), Catch::Contains("hello-db") && Catch::Contains("fine"));
  CHECK_THAT(place.context.text(), Catch::Contains("[waiting for db (`grep up /tmp/up`)]") &&
                                       Catch::Contains("[waiting for web (GET :8080/healthz)]"));
  place.nothing_left();
}

TEST_CASE("a healthcheck's command runs as the service does, with no more power", "[test]") {
  if (!ready()) return;
  Place place;
  auto service =
      place.service("exec sleep 1000",
                    {{"test", {"sh", "-c", "id -u; env; cat /proc/self/status; false"}}, {"retries", 1}});
  service["user"] = "app";
  service["environment"] = {{"WHO", "service"}};
  const auto first_line = place.run({{"run", "true"}, {"services", {{"it", service}}}});
  CHECK(first_line.failure ==
        "backing service `it` does not get healthy: `sh -c id -u; env; cat /proc/self/status; false`: exit "
        "1: 1000");
  service["healthcheck"]["test"] = {"sh", "-c", "grep CapEff /proc/self/status; false"};
  CHECK_THAT(place.run({{"run", "true"}, {"services", {{"it", service}}}}).failure,
             Catch::EndsWith("exit 1: CapEff:\t0000000000000000"));
  service["healthcheck"]["test"] = {"sh", "-c", "echo $WHO; false"};
  CHECK_THAT(place.run({{"run", "true"}, {"services", {{"it", service}}}}).failure,
             Catch::EndsWith("exit 1: service"));
  place.nothing_left();
}

TEST_CASE("a service that is never healthy or ends is a failure of the infrastructure, with its last words",
          "[test]") {
  if (!ready()) return;
  Place place;
  const auto silent = place.run(
      {{"run", "echo never"},
       {"services",
        {{"db", place.service("echo warming up; exec sleep 1000", {{"tcp", 5432}, {"retries", 2}})}}}});
  CHECK_FALSE(silent.ok);
  CHECK(silent.infrastructure);
  CHECK(silent.exit_code == 1);
  CHECK(silent.failure == "backing service `db` does not get healthy: tcp :5432: connection refused");
  CHECK(silent.detail == "warming up\n");
  const auto dead =
      place.run({{"run", "echo never"},
                 {"services", {{"db", place.service("echo no disk >&2; exit 3", {{"tcp", 5432}})}}}});
  CHECK(dead.failure == "backing service `db` does not get healthy: it exited: exit 3");
  CHECK(dead.detail == "no disk\n");
  CHECK_THAT(place.context.text(), !Catch::Contains("never"));
  place.nothing_left();
}

TEST_CASE("the image's own entrypoint and healthcheck count when the service says nothing", "[test]") {
  if (!ready()) return;
  Place place;
  oci::ImageConfig config;
  config.env = {"PATH=/bin"};
  config.entrypoint = {"sh", "-c", "echo $0 $@ > /tmp/args; exec sleep 1000"};
  config.cmd = {"from", "cmd"};
  config.healthcheck =
      oci::ImageHealthcheck{{"CMD-SHELL", "grep -q 'the command' /tmp/args"}, 100'000'000, 500'000'000, 0, 3};
  const auto image = to_json(make_busybox_image(place.store, config));
  const auto with = [&](json command) {
    json service = {{"image", image}};
    if (!command.is_null()) service["command"] = std::move(command);
    return place.run({{"run", "true"}, {"services", {{"it", service}}}});
  };
  CHECK(with({"the", "command"}).ok);
  CHECK(with(nullptr).failure ==
        "backing service `it` does not get healthy: `/bin/sh -c grep -q 'the command' /tmp/args`: exit 1");
  place.nothing_left();
}

TEST_CASE("JUnit reports are kept, told and believed", "[test]") {
  if (!ready()) return;
  Place place;
  const std::string write = R"(mkdir -p $SLIPWAY_REPORTS/sub
cat > $SLIPWAY_REPORTS/a.xml <<EOF
<?xml version="1.0"?>
<testsuites><testsuite name="users">
  <testcase classname="test_app" name="list" time="1.5"/>
  <testcase classname="test_app" name="later"><skipped message="no"/></testcase>
</testsuite></testsuites>
EOF
ln -s /etc/passwd $SLIPWAY_REPORTS/link.xml
)";
  const auto green = place.run({{"run", write}, {"user", "app"}});
  INFO(green.failure << green.detail);
  CHECK(green.ok);
  CHECK(green.outputs == json{{"passed", 1}, {"failed", 0}, {"skipped", 1}, {"reports", {"a.xml"}}});
  REQUIRE(place.context.events.size() == 2);
  CHECK(place.context.events[0].first == "test.case");
  CHECK(
      place.context.events[0].second ==
      json{{"name", "list"}, {"result", "success"}, {"ms", 1500}, {"suite", "users"}, {"class", "test_app"}});
  CHECK(place.context.events[1].second["result"] == "skip");
  CHECK(fs::exists(place.invocation.reports_dir / "a.xml"));
  CHECK_FALSE(fs::exists(fs::symlink_status(place.invocation.reports_dir / "link.xml")));

  place.context.events.clear();
  place.fresh_work();
  const auto red = place.run({{"run", R"(cat > $SLIPWAY_REPORTS/b.xml <<EOF
<testsuite name="s"><testcase classname="c" name="t1"><failure message="1 != 2">
trace</failure></testcase><testcase name="t2"/></testsuite>
EOF
)"}});
  CHECK(red.failure == "1 of 2 tests failed, although `cat > $SLIPWAY_REPORTS/b.xml <<EOF …` exited with 0");
  CHECK(red.detail == "✗ c.t1: 1 != 2\n");
  CHECK(red.outputs["failed"] == 1);

  place.fresh_work();
  const auto broken = place.run({{"run", "echo '<html' > $SLIPWAY_REPORTS/c.xml"}});
  CHECK_FALSE(broken.ok);
  CHECK_THAT(broken.detail, Catch::StartsWith("✗ c.xml: is no JUnit report: "));
  place.nothing_left();
}

TEST_CASE("a test that is stopped ends at once, with its services, and leaves nothing", "[test]") {
  if (!ready()) return;
  Place place;
  std::jthread stopper([&] {
    eventually([&] { return place.context.text().find("running now") != std::string::npos; });
    place.context.source.request_stop();
  });
  try {
    place.run({{"run", "echo running now; sleep 1000"},
               {"services", {{"web", place.service(kServer, {{"tcp", 8080}})}}}});
    FAIL("it was not stopped");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::interrupted);
  }
  place.nothing_left();
}

TEST_CASE("a test without network has only loopback", "[test]") {
  if (!ready()) return;
  Place place;
  CHECK(place.run({{"run", "test $(ip -o link | grep -c .) = 1"}, {"network", "none"}}).ok);
  place.nothing_left();
}

TEST_CASE("what a killed test left is cleared by the next one", "[test]") {
  if (!ready()) return;
  Place place;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      place.run({{"run", "echo x > $SLIPWAY_REPORTS/running; sleep 1000"},
                 {"services", {{"web", place.service("exec httpd -f -p 8081", {{"tcp", 8081}})}}}});
    } catch (...) {
    }
    ::_exit(1);
  }
  REQUIRE(eventually([&] { return fs::exists(place.invocation.work_dir / "reports/running"); }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  // Its processes die with it.
  CHECK(eventually([&] {
    return output_of({"sh", "-c", "ps -eo args | grep '[h]ttpd -f -p 8081' || true"}).empty();
  }));
  place.fresh_work();
  CHECK(place.run({{"run", "true"}}).ok);
  place.nothing_left();
}
