// The local target with real parts: the OCI runtime, the CNI plugins, HAProxy and slipway-shim.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "oci/network.h"
#include "plugins/builtin.h"
#include "plugins/local/logs.h"
#include "plugins/local/replica_record.h"
#include "plugins/local/replicas.h"
#include "plugins/local/state.h"
#include "support/load.h"
#include "support/slipway.h"
#include "support/test_image.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;

namespace {

bool ready() {
  return have_root() && have_runtime() && have("haproxy") && have("ip") && have("iptables") &&
         have("busybox") && have("nsenter");
}

struct Listening : Context {
  std::string text;
  std::stop_source source;
  std::function<void(const json&)> on_event;
  void log(std::string_view part, bool) override { text += part; }
  void progress(const Progress&) override {}
  void event(std::string_view, json data) override {
    if (on_event) on_event(data);
  }
  std::stop_token stop() const override { return source.get_token(); }
};

// A project of its own; whatever a test does, nothing of it stays.
struct Shop {
  User user;
  Plugins plugins;
  int port = free_port();
  Listening last;

  Shop() { add_builtin_plugins(plugins); }
  ~Shop() {
    try {
      act("down", {{"volumes", true}});
    } catch (const Error& e) {
      WARN(e.str());
    }
  }

  Invocation invocation(const std::string& action, json params) const {
    Invocation out;
    out.action = action;
    out.params = std::move(params);
    out.params["project"] = "shop";
    out.params["environment"] = "local";
    out.cache_dir = user.cache();
    out.state_dir = user.state();
    out.project_dir = user.dir();
    return out;
  }
  Outcome act(const std::string& action, json params = json::object()) {
    last.text.clear();
    return plugins.get("local", user.dir()).run(invocation(action, std::move(params)), last);
  }
  Outcome apply(json services) { return act("apply", {{"services", std::move(services)}}); }

  // A web service that says `version`.
  json web(const std::string& version, json more = json::object()) {
    TestImage image;
    image.files = {
        {"www/index.html", version},
        {"www/healthz", "ok"},
        {"www/cgi-bin/slow", "#!/bin/sh\nsleep 1\nprintf 'Content-Type: text/plain\\r\\n\\r\\nslow'\n"}};
    json service = {
        {"image", make_image(user.cache(), image)},
        {"port", 8080},
        {"stop_grace_ms", 300},
        {"healthcheck", {{"http", "/healthz"}, {"interval_ms", 50}, {"timeout_ms", 1000}, {"retries", 100}}}};
    service.update(more);
    return service;
  }
  json published(const std::string& version, json more = json::object()) {
    more["publish"] = port;
    return web(version, more);
  }

  std::string url(const std::string& path = "/") const {
    return fmt::format("http://127.0.0.1:{}{}", port, path);
  }
  std::string get(const std::string& path = "/") const {
    HttpClient client;
    HttpRequest request;
    request.url = url(path);
    request.timeout = Millis(10'000);
    const auto response = client.send(request);
    return response.status == 200 ? response.body : fmt::format("status {}", response.status);
  }
  local::Place place() const { return local::Place::of(invocation("status", json::object())); }
  local::State state() const { return local::State::load(place()); }
  local::ReplicaState replica(const std::string& id) const {
    return *local::ReplicaState::parse(read_file(place().replica(id) / "state.json"));
  }
  std::string only_replica(const std::string& service) const {
    const auto now = state();
    REQUIRE(now.services.at(service).replicas.size() == 1);
    return now.services.at(service).replicas[0].id;
  }
};

}  // namespace

TEST_CASE("services become healthy, are reached by port and by name, and go without a trace", "[local]") {
  if (!ready()) return;
  Shop shop;
  const json services = {{"users", shop.web("users 1", {{"replicas", 2}})},
                         {"gateway", shop.published("gateway 1", {{"depends_on", {{"users", "healthy"}}}})}};
  const auto outcome = shop.apply(services);
  INFO(outcome.failure << "\n" << outcome.detail << "\n" << shop.last.text);
  REQUIRE(outcome.ok);
  CHECK(outcome.outputs.at("release") == "r1");
  CHECK(outcome.outputs.at("changed") == json({"gateway", "users"}));
  CHECK(outcome.outputs.at("urls") == json({{"gateway", fmt::format("http://127.0.0.1:{}", shop.port)}}));
  CHECK(shop.get() == "gateway 1");

  // From inside one service to another, by its name.
  const auto gateway = shop.only_replica("gateway");
  const auto network = *oci::Network::find(shop.place().network());
  Command command;
  const auto inner = local::children_of(shop.replica(gateway).runner);
  REQUIRE(inner.size() == 1);
  const auto first = local::children_of(inner[0]);
  REQUIRE(first.size() == 1);
  command.argv = {"nsenter", "--target", std::to_string(first[0]), "--all", "/bin/wget", "-q",
                  "-O",      "-",        "http://users:8080/"};
  CHECK(run_capture(command) == "users 1");

  SECTION("a second apply does nothing") {
    const auto again = shop.apply(services);
    CHECK(again.ok);
    CHECK(again.outputs.at("changed").empty());
    CHECK(again.outputs.at("release") == "r1");
    CHECK(shop.last.text == "nothing to do: 3 replicas of 2 services run as they should\n");
  }
  SECTION("only the changed service is replaced") {
    auto changed = services;
    changed["users"] = shop.web("users 2", {{"replicas", 2}});
    const auto update = shop.apply(changed);
    CHECK(update.outputs.at("changed") == json({"users"}));
    CHECK(update.outputs.at("previous") == "r1");
    CHECK(shop.only_replica("gateway") == gateway);
    CHECK(run_capture(command) == "users 2");
  }
  SECTION("a service that is no longer there is stopped") {
    auto fewer = services;
    fewer.erase("users");
    fewer["gateway"].erase("depends_on");
    const auto update = shop.apply(fewer);
    CHECK(update.outputs.at("changed") == json({"users"}));
    CHECK(shop.state().services.size() == 1);
    CHECK(shop.get() == "gateway 1");
  }
  CHECK(shop.act("down").outputs.at("stopped").get<int>() >= 1);
  CHECK_FALSE(fs::exists(shop.place().root));
  CHECK_FALSE(fs::exists("/sys/class/net/" + network.bridge()));
  CHECK_FALSE(fs::exists("/run/slipway/" + network.bridge() + ".sock"));
  CHECK_FALSE(fs::exists(fmt::format("/run/netns/{}-{}", network.bridge(), gateway)));
  CHECK(read_file("/proc/self/mountinfo").find(shop.user.dir().string()) == std::string::npos);
  CHECK(::kill(first[0], 0) != 0);
  CHECK_THROWS_AS(shop.get(), Error);
}

TEST_CASE("a service of which no replica is wanted is part of the release, and takes nothing", "[local]") {
  if (!ready()) return;
  Shop shop;
  json services = {{"users", shop.web("users 1", {{"replicas", 0}})},
                   {"gateway", shop.published("gateway 1", {{"depends_on", {{"users", "healthy"}}}})}};
  const auto virtual_addresses = [&] {
    return json::parse(read_file(shop.place().network() / "network.json")).at("virtual").size();
  };
  REQUIRE(shop.apply(services).ok);
  CHECK(shop.get() == "gateway 1");
  CHECK(virtual_addresses() == 1);
  CHECK(shop.state().services.at("users").replicas.empty());
  CHECK(shop.apply(services).outputs.at("changed").empty());

  services["users"]["replicas"] = 2;
  CHECK(shop.apply(services).outputs.at("changed") == json({"users"}));
  CHECK(shop.state().services.at("users").replicas.size() == 2);
  CHECK(virtual_addresses() == 2);

  services["users"]["replicas"] = 0;
  CHECK(shop.apply(services).outputs.at("changed") == json({"users"}));
  CHECK(local::Replicas(shop.place()).all() == std::vector{shop.only_replica("gateway")});
  CHECK(virtual_addresses() == 1);
  CHECK(shop.get() == "gateway 1");
  CHECK(shop.apply(services).outputs.at("changed").empty());
}

TEST_CASE("what only has to be started is not waited for", "[local]") {
  if (!ready()) return;
  Shop shop;
  // `late` gets healthy only when `early` does its work, which waits for `late` to be started.
  auto late = shop.web("late", {{"volumes", {"notes:/notes"}}});
  late["healthcheck"] = {
      {"test", {"CMD", "test", "-e", "/notes/done"}}, {"interval_ms", 50}, {"retries", 200}};
  auto early = shop.web("early", {{"volumes", {"notes:/notes"}}, {"depends_on", {{"late", "started"}}}});
  early["command"] = {"sh", "-c", "touch /notes/done; exec httpd -f -p 8080 -h /www"};
  const auto outcome = shop.apply({{"late", late}, {"early", early}});
  INFO(outcome.failure << outcome.detail << shop.last.text);
  CHECK(outcome.ok);
  // Waiting for health, it would never begin.
  early["depends_on"]["late"] = "healthy";
  late["healthcheck"]["retries"] = 10;
  shop.act("down", {{"volumes", true}});
  CHECK(shop.apply({{"late", late}, {"early", early}}).exit_code == 4);
}

TEST_CASE("an update under load fails no request, and lets slow ones end", "[local]") {
  if (!ready()) return;
  Shop shop;
  REQUIRE(shop.apply({{"web", shop.published("one", {{"replicas", 2}})}}).ok);
  Load load(shop.url());
  REQUIRE(eventually([&] { return load.answered() > 50; }));
  std::string slow;
  std::jthread slow_client([&] { slow = shop.get("/cgi-bin/slow"); });
  const auto outcome = shop.apply({{"web", shop.published("two", {{"replicas", 2}})}});
  CHECK(outcome.ok);
  CHECK(shop.get() == "two");
  const auto so_far = load.answered();
  REQUIRE(eventually([&] { return load.answered() > so_far + 50; }));
  slow_client.join();
  load.stop();
  INFO(load.first_failure());
  CHECK(load.failed() == 0);
  CHECK(slow == "slow");
}

TEST_CASE("a release that is not healthy is taken back whole, with the reason", "[local]") {
  if (!ready()) return;
  Shop shop;
  const json good = {{"first", shop.web("first 1")},
                     {"web", shop.published("web 1", {{"depends_on", {{"first", "healthy"}}}})}};
  REQUIRE(shop.apply(good).ok);
  const auto before = shop.state();
  Load load(shop.url());
  auto broken = shop.published("web 2", {{"depends_on", {{"first", "healthy"}}}});
  broken["healthcheck"]["http"] = "/nothing-here";
  broken["healthcheck"]["retries"] = 40;
  broken["command"] = {"sh", "-c", "echo listening; exec httpd -f -p 8080 -h /www"};
  const auto outcome = shop.apply({{"first", shop.web("first 2")}, {"web", broken}});
  load.stop();
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.exit_code == 4);
  CHECK(outcome.failure ==
        "`web` did not become healthy: GET :8080/nothing-here: status 404: <HTML><HEAD><TITLE>404 Not "
        "Found</TITLE></HEAD> (40 times asked)");
  CHECK(outcome.detail.find("listening\n") != std::string::npos);
  CHECK(outcome.detail.find("all services are as before: release r1 serves\n") != std::string::npos);
  INFO(load.first_failure());
  CHECK(load.failed() == 0);
  CHECK(shop.get() == "web 1");
  const auto after = shop.state();
  CHECK(after.release == "r1");
  CHECK(after.services.at("first").replicas == before.services.at("first").replicas);
  CHECK(after.services.at("web").replicas == before.services.at("web").replicas);
  // Nothing of the failed one is left.
  CHECK(oci::Network::find(shop.place().network())->attached().size() == 2);
  // What was asked for before is what serves, and stays.
  for (int i = 0; i < 2; ++i) CHECK(shop.apply(good).outputs.at("changed").empty());
  CHECK(shop.state().services.at("web").replicas == before.services.at("web").replicas);
}

TEST_CASE("a service that exits at once fails the release soon", "[local]") {
  if (!ready()) return;
  Shop shop;
  auto service = shop.published("x");
  service["command"] = {"sh", "-c", "echo no database >&2; exit 3"};
  const auto outcome = shop.apply({{"web", service}});
  CHECK(outcome.exit_code == 4);
  CHECK(outcome.failure == "`web` did not become healthy: it exited 3 times: exit 3");
  CHECK(outcome.detail.find("  no database\n") != std::string::npos);
  CHECK(outcome.detail.find("this was the first release: nothing is left running\n") != std::string::npos);
  CHECK(shop.state().services.empty());
  CHECK_FALSE(oci::Network::find(shop.place().network()));
  service["command"] = {"no-such-program"};
  const auto missing = shop.apply({{"web", service}});
  CHECK(missing.exit_code == 4);
  CHECK(missing.detail.find("`no-such-program` not found") != std::string::npos);
}

TEST_CASE("a port that is in use is told before anything starts", "[local]") {
  if (!ready()) return;
  Shop shop;
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(shop.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd.get(), 1) == 0);
  try {
    shop.apply({{"web", shop.published("x")}});
    FAIL("it must throw");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::failed);
    CHECK(e.message() ==
          fmt::format("port {} of this machine, on which `web` is to be published, is in use by "
                      "`e2e_tests` (process {})",
                      shop.port, ::getpid()));
  }
  CHECK_FALSE(oci::Network::find(shop.place().network()));
  CHECK_FALSE(fs::exists(shop.place().replicas()));
}

TEST_CASE("a service that dies is started again, and its logs tell of both lives", "[local]") {
  if (!ready()) return;
  Shop shop;
  auto service = shop.published("x");
  service["command"] = {"sh", "-c", "echo alive; exec httpd -f -p 8080 -h /www"};
  REQUIRE(shop.apply({{"web", service}}).ok);
  const auto id = shop.only_replica("web");
  const auto first = local::children_of(local::children_of(shop.replica(id).runner).at(0)).at(0);
  ::kill(first, SIGKILL);
  REQUIRE(eventually([&] { return shop.replica(id).exits == 1 && shop.replica(id).status == "running"; }));
  CHECK(shop.replica(id).exit_code == 137);
  REQUIRE(eventually([&] { return local::tail(shop.place().replica(id) / "log", 10).size() == 2; }));
  shop.act("logs");
  CHECK(shop.last.text == fmt::format("{} | alive\n{} | alive\n", id, id));
  REQUIRE(eventually([&] {
    try {
      return shop.get() == "x";
    } catch (const Error&) {
      return false;
    }
  }));
  SECTION("a monitor that is killed takes its container with it, and the next apply replaces both") {
    const auto shim = shop.replica(id).shim;
    const auto again = local::children_of(local::children_of(shop.replica(id).runner).at(0)).at(0);
    const ProcessId container{again, start_of(again)};
    ::kill(shim, SIGKILL);
    CHECK(eventually([&] { return !is_alive(container); }));
    CHECK(shop.apply({{"web", service}}).outputs.at("changed") == json({"web"}));
    CHECK(shop.only_replica("web") != id);
    CHECK(shop.get() == "x");
  }
}

TEST_CASE("rollback brings the release before, or a named one", "[local]") {
  if (!ready()) return;
  Shop shop;
  for (const char* version : {"one", "two", "three"})
    REQUIRE(shop.apply({{"web", shop.published(version)}}).ok);
  CHECK(shop.act("rollback").outputs.at("rolled_back_to") == "r2");
  CHECK(shop.get() == "two");
  CHECK(shop.act("rollback", {{"release", "r1"}}).ok);
  CHECK(shop.get() == "one");
  CHECK(shop.act("rollback", {{"release", "r1"}}).outputs.at("changed").empty());
  const auto status = shop.act("status").outputs;
  CHECK(status.at("release") == "r5");
  CHECK(status.at("releases").size() == 5);
  CHECK(status.at("services").at(0).at("replicas").at(0).at("health") == "healthy");
  CHECK_THROWS_WITH(shop.act("rollback", {{"release", "r9"}}), "there is no release `r9`");
}

TEST_CASE("a database keeps its volume, begins with the image's files, and is never there twice", "[local]") {
  if (!ready()) return;
  Shop shop;
  TestImage image;
  image.files = {{"data/seed", "seed\n"}, {"www/x", "x"}};
  image.exposed_ports = {"8080/tcp"};
  image.cmd = {"sh", "-c",
               "cat /run/secret/pw $PW_FILE; echo $PASSWORD | wc -c; echo start >>/data/seed; exec httpd -f "
               "-p 8080 -h /data"};
  json db = {{"image", make_image(shop.user.cache(), image)},
             {"stateful", true},
             {"volumes", {"data:/data"}},
             {"stop_grace_ms", 200},
             {"secret_files", {{"/run/secret/pw", "pw"}}},
             {"secret_environment", {{"PASSWORD", "pw"}}},
             {"publish", shop.port},
             {"healthcheck",
              {{"test", {"CMD", "sh", "-c", "test ${#PASSWORD} = 8 && grep -q start /data/seed"}},
               {"interval_ms", 50},
               {"retries", 50}}}};
  auto invocation = shop.invocation("apply", {{"services", {{"db", db}}}});
  invocation.secrets["pw"] = Secret("hunter22");
  auto& plugin = shop.plugins.get("local", shop.user.dir());
  const auto outcome = plugin.run(invocation, shop.last);
  INFO(outcome.failure << outcome.detail);
  REQUIRE(outcome.ok);
  CHECK(shop.get("/seed") == "seed\nstart\n");
  const auto log = local::tail(shop.place().replica(shop.only_replica("db")) / "log", 10);
  REQUIRE(log.size() >= 1);
  CHECK(log[0].text == "hunter229");
  // The secret is in no command line of the machine.
  for (const auto& process : fs::directory_iterator("/proc")) {
    const auto text = read_file_if_exists(process.path() / "cmdline").value_or("");
    CHECK(text.find("hunter22") == std::string::npos);
  }
  auto changed = invocation;
  changed.params["services"]["db"]["environment"] = {{"MORE", "1"}};
  REQUIRE(plugin.run(changed, shop.last).ok);
  CHECK(shop.get("/seed") == "seed\nstart\nstart\n");

  SECTION("asked another way for its health, it runs on; a wrong question is taken back") {
    changed.params["services"]["db"]["healthcheck"]["test"] = {"true"};
    const auto replica = shop.only_replica("db");
    const auto asked = plugin.run(changed, shop.last);
    CHECK(asked.outputs.at("changed") == json({"db"}));
    changed.params["services"]["db"]["healthcheck"]["test"] = {"false"};
    changed.params["services"]["db"]["healthcheck"]["retries"] = 2;
    CHECK(plugin.run(changed, shop.last).exit_code == 4);
    CHECK(shop.only_replica("db") == replica);
    CHECK(shop.get("/seed") == "seed\nstart\nstart\n");
    CHECK(plugin.run(invocation, shop.last).ok);
  }
  SECTION("a new version that is not healthy leaves the old one with its data") {
    changed.params["services"]["db"]["environment"] = {{"MORE", "2"}};
    changed.params["services"]["db"]["healthcheck"]["test"] = {"false"};
    changed.params["services"]["db"]["healthcheck"]["retries"] = 2;
    const auto failed = plugin.run(changed, shop.last);
    CHECK(failed.exit_code == 4);
    CHECK(shop.get("/seed") == "seed\nstart\nstart\nstart\nstart\n");
  }
  SECTION("down keeps the volume, unless told otherwise") {
    CHECK(shop.act("down").outputs.at("volumes") == json({"data"}));
    REQUIRE(plugin.run(invocation, shop.last).ok);
    CHECK(shop.get("/seed") == "seed\nstart\nstart\nstart\n");
    CHECK(shop.act("down", {{"volumes", true}}).outputs.at("volumes").empty());
    CHECK_FALSE(fs::exists(shop.place().root));
  }
}

TEST_CASE("a rollout that is killed in the middle is finished by the next", "[local]") {
  if (!ready()) return;
  Shop shop;
  REQUIRE(shop.apply({{"a", shop.web("a 1")},
                      {"web", shop.published("one", {{"depends_on", {{"a", "healthy"}}}})}})
              .ok);
  json next = {{"a", shop.web("a 2")}, {"web", shop.published("two", {{"depends_on", {{"a", "healthy"}}}})}};
  for (const std::string at : {"started", "healthy", "serving"}) {
    // A child that is killed at the moment it tells of.
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      shop.last.on_event = [&](const json& event) {
        if (event.at("state") == at) ::kill(::getpid(), SIGKILL);
      };
      try {
        shop.apply(next);
      } catch (...) {
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(shop.get() == "one");
  }
  const auto outcome = shop.apply(next);
  INFO(outcome.failure << outcome.detail);
  CHECK(outcome.ok);
  CHECK(shop.get() == "two");
  CHECK(oci::Network::find(shop.place().network())->attached().size() == 2);
  CHECK(shop.apply(next).outputs.at("changed").empty());
}
