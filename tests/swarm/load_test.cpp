// What clients see of a rollout on a swarm, and swarms of several machines.
#include "support/load.h"
#include "swarm/shop.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// A client in a container of the swarm: asks `web` by its name without pause, and writes a line for each
// answer.
const char* kClient =
    "while :; do for a in $(nslookup web | sed -n 's/^Address: //p' | grep -v :53); do "
    "if wget -q -O /www/got http://$a:8080/ok; then echo ok; else echo failed $a; fi; done; done";

}  // namespace

TEST_CASE("an update on a swarm that starts first loses no request of a client in it", "[swarm]") {
  if (!swarm_ready()) return;
  SwarmShop shop;
  shop.spec(shop.services());
  shop.good({"run"});
  Command command;
  command.argv = {"docker",
                  "-H",
                  shop.engine.host(),
                  "exec",
                  *shop.running("back").begin(),
                  "/bin/busybox",
                  "sh",
                  "-c",
                  std::string("PATH=/bin; ") + kClient};
  std::string said;
  std::stop_source stop;
  std::jthread client([&] {
    WaitOptions options;
    options.stop = stop.get_token();
    options.grace = Millis(100);
    run_process(
        command, [&](Stream, std::string_view text) { said += text; }, options);
  });
  for (const char* page : {"two", "three"}) {
    shop.page(page);
    // `back`, where the client is, stays.
    shop.spec(
        fmt::format("  web: {{image: web, port: 8080, replicas: 2, stop_grace_period: 5s, environment: "
                    "{{BEHAVE: \"{}\"}}, "
                    "healthcheck: {{http: /ok, interval: 300ms, timeout: 10s}}}}\n"
                    "  back: {{image: \"{}\", port: 8080, environment: {{BEHAVE: well}}}}\n",
                    page, shop.container("back").at("Image").get<std::string>()));
    shop.good({"run"});
  }
  stop.request_stop();
  client.join();
  const auto count = [&](const std::string& word) {
    std::size_t out = 0;
    for (std::size_t at = 0; (at = said.find(word, at)) != std::string::npos; ++at) ++out;
    return out;
  };
  INFO(said.substr(0, 2000));
  CHECK(count("ok\n") > 100);
  CHECK(count("failed") == 0);
}

TEST_CASE("a port published on every node of a swarm loses no request in an update", "[swarm]") {
  if (!swarm_ready()) return;
  if (!DockerEngine::has_ipvs()) {
    WARN("skipped: this kernel has no IPVS, which `publish_mode: ingress` needs");
    return;
  }
  SwarmShop shop;
  shop.target = ", encrypted: false, stable: 1s";
  const auto spec = [&](const char* word) {
    shop.spec(fmt::format(
        "  web: {{image: web, port: 8080, publish: 8081, replicas: 2, stop_grace_period: 5s, "
        "environment: {{BEHAVE: {}}}, healthcheck: {{http: /ok, interval: 300ms, timeout: 10s}}}}\n",
        word));
  };
  spec("one");
  shop.good({"run"});
  Load load("http://127.0.0.1:8081/ok");
  spec("two");
  shop.good({"run"});
  load.stop();
  INFO(load.first_failure());
  CHECK(load.answered() > 100);
  CHECK(load.failed() == 0);
}

TEST_CASE("a swarm of two machines: a port of each, images with a login, data that stays on its node",
          "[swarm]") {
  if (!swarm_ready()) return;
  if (!have("htpasswd")) return;
  RegistryServer::Options login;
  login.user = "deployer";
  login.password = "s3cret";
  SwarmShop shop(login);
  shop.user.write("shop/login", "deployer:s3cret");
  const DockerEngine second(
      {.beside = &shop.engine, .shared_port = std::atoi(shop.registry.host().substr(10).c_str())});
  shop.engine.docker({"swarm", "leave", "--force"});
  shop.engine.init_swarm();
  second.join_swarm_of(shop.engine);
  const auto spec = [&](const std::string& word, bool encrypted = false) {
    shop.user.write("shop/slipway.yaml", fmt::format(R"(version: 1
name: shop
registry: {{url: "{}/shop", credentials: {{secret: login}}}}
secrets: {{login: {{file: login}}}}
images: {{web: {{context: web}}}}
services:
  web: {{image: web, port: 8080, publish: 8081, replicas: 2, environment: {{BEHAVE: {}}}, healthcheck: {{http: /ok, interval: 300ms, timeout: 10s}}}}
  store: {{image: web, port: 8080, environment: {{BEHAVE: {}}}, volumes: ["data:/data"]}}
environments:
  test: {{target: {{kind: swarm, host: "{}", encrypted: {}, publish_mode: host, endpoint_mode: dnsrr, stable: 1s}}}}
)",
                                                     shop.registry.host(), word, word, shop.host, encrypted));
  };
  spec("one");
  const auto first = shop.good({"run"});
  INFO(first.err);
  // One on each: the second has logged in with what it was given.
  const auto on = [](const DockerEngine& engine, const std::string& name) {
    const auto text = engine.docker({"ps", "-q", "--filter", "label=dev.slipway.service=" + name});
    return std::count(text.begin(), text.end(), '\n');
  };
  CHECK(on(shop.engine, "web") == 1);
  CHECK(on(second, "web") == 1);
  CHECK(on(shop.engine, "store") == 1);
  // From the one to the other, through the overlay.
  const auto there = second.docker({"ps", "-q", "--filter", "label=dev.slipway.service=web"}).substr(0, 12);
  CHECK(contains(
      second.docker({"exec", there, "/bin/busybox", "sh", "-c",
                     "PATH=/bin; for a in $(nslookup store | sed -n 's/^Address: //p' | grep -v :53); do "
                     "wget -q -O - http://$a:8080/ok; done"}),
      "one"));
  const auto logs = shop.good({"logs", "web"});
  INFO(logs.out);
  CHECK(contains(logs.out, "web.1 | serving one\n"));
  CHECK(contains(logs.out, "web.2 | serving one\n"));
  spec("two");
  shop.good({"run"});
  CHECK(on(second, "web") == 1);
  CHECK(on(shop.engine, "store") == 1);
  spec("crash");
  const auto broken = shop.slipway({"run"});
  INFO(broken.err);
  CHECK(broken.code == 4);
  CHECK(contains(broken.err, "last words"));
  CHECK(contains(shop.good({"status"}).out, "✔ 2/2 healthy"));
  shop.good({"down", "--volumes", "--yes"});
}

TEST_CASE("traffic between the machines of a swarm is encrypted", "[swarm]") {
  if (!swarm_ready()) return;
  if (!DockerEngine::has_esp()) {
    WARN("skipped: this kernel has no ESP, which `encrypted: true` needs");
    return;
  }
  SwarmShop shop;
  shop.target = ", publish_mode: host, endpoint_mode: dnsrr, stable: 1s";
  shop.spec(shop.services());
  shop.good({"run"});
  CHECK(shop.inspect("network", "shop-test").at("Options").contains("encrypted"));
  shop.target = ", encrypted: false, publish_mode: host, endpoint_mode: dnsrr, stable: 1s";
  shop.spec(shop.services());
  shop.good({"run"});
  CHECK_FALSE(shop.inspect("network", "shop-test-plain").at("Options").contains("encrypted"));
}
