// What the stories of the Swarm target have in common: an engine, a registry, and a project whose services do
// what their variable BEHAVE says.
#pragma once
#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/docker_engine.h"
#include "support/live.h"
#include "support/own_network.h"
#include "support/registry_server.h"
#include "support/slipway.h"

namespace slipway::test {

using json = nlohmann::json;

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline bool swarm_ready() {
  return DockerEngine::possible() && have("busybox");
}

struct SwarmShop {
  OwnNetwork network;
  RegistryServer registry;
  DockerEngine engine;
  User user;
  std::string host = engine.host();
  // Of what every kernel has: no virtual addresses (IPVS), no encryption (ESP).
  std::string target = ", encrypted: false, publish_mode: host, endpoint_mode: dnsrr, stable: 1s";

  explicit SwarmShop(const RegistryServer::Options& options = {}) : registry(options) {
    engine.init_swarm();
    user.write("shop/web/Dockerfile",
               "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nCOPY serve /serve\nCOPY page "
               "/www/ok\nCMD [\"/serve\"]\n");
    fs::create_directories(user.dir() / "shop/web");
    fs::copy_file("/bin/busybox", user.dir() / "shop/web/busybox");
    page("one");
    user.write("shop/web/serve", R"(#!/bin/busybox sh
export PATH=/bin
busybox --install -s /bin
case $BEHAVE in
  crash) echo "last words"; exit 3 ;;
  flap) test -e /data/flapped || { touch /data/flapped; exit 1; } ;;
  sick) rm /www/ok ;;
esac
echo "serving $BEHAVE"
trap 'exit 143' TERM
httpd -f -p 8080 -h /www &
wait
)");
    fs::permissions(user.dir() / "shop/web/serve", fs::perms::owner_all | fs::perms::group_exec |
                                                       fs::perms::others_exec | fs::perms::group_read |
                                                       fs::perms::others_read);
    user.write("shop/secret", "s3cret'value");
  }

  void page(const std::string& text) const { user.write("shop/web/page", text); }

  // web waits for back; both change with their words.
  static std::string services(const std::string& web = "well", const std::string& back = "well",
                              const std::string& more = "") {
    return fmt::format(
        "  web: {{image: web, port: 8080, replicas: 2, environment: {{BEHAVE: \"{}\", PASSWORD: {{secret: "
        "key}}}},\n"
        "        depends_on: {{back: healthy}}, stop_grace_period: 1s, healthcheck: {{http: /ok, retries: 5, "
        "interval: 300ms, timeout: 10s}}}}\n"
        "  back: {{image: web, port: 8080, stop_grace_period: 1s, environment: {{BEHAVE: \"{}\"}}{}}}\n",
        web, back, more);
  }

  void spec(const std::string& text) const {
    user.write("shop/slipway.yaml", fmt::format(R"(version: 1
name: shop
registry: {{url: "{}/shop"}}
secrets: {{key: {{file: secret}}}}
images: {{web: {{context: web}}}}
services:
{}environments:
  test: {{target: {{kind: swarm, host: "{}"{}}}}}
)",
                                                registry.host(), text, host, target));
  }

  Ran slipway(std::vector<std::string> args) const { return user.slipway(std::move(args), "shop"); }
  Ran good(std::vector<std::string> args) const {
    auto ran = slipway(std::move(args));
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == 0);
    return ran;
  }
  json inspect(const std::string& kind, const std::string& name) const {
    return json::parse(engine.docker({kind, "inspect", name})).at(0);
  }
  json service(const std::string& name) const { return inspect("service", "shop-test-" + name); }
  json container(const std::string& name) const {
    return service(name).at("/Spec/TaskTemplate/ContainerSpec"_json_pointer);
  }
  std::string behaviour(const std::string& name) const {
    const auto spec = container(name);
    for (const auto& one : spec.at("Env")) {
      const auto text = one.get<std::string>();
      if (text.starts_with("BEHAVE=")) return text.substr(7);
    }
    return "";
  }
  // The lines of `docker KIND ls`, names only.
  std::vector<std::string> names(const std::string& kind) const {
    std::vector<std::string> out;
    auto text = engine.docker({kind, "ls", "--format", "{{.Name}}"});
    for (std::size_t from = 0, end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
      out.push_back(text.substr(from, end - from));
    return out;
  }
  std::size_t ours(const std::string& kind) const {
    const auto all = names(kind);
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const std::string& name) { return name.starts_with("shop-"); }));
  }
  // Ids of the containers that run for a service.
  std::set<std::string> running(const std::string& name) const {
    std::set<std::string> out;
    const auto text =
        engine.docker({"ps", "-q", "--no-trunc", "--filter", "label=dev.slipway.service=" + name});
    for (std::size_t from = 0, end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
      out.insert(text.substr(from, end - from));
    return out;
  }
};

}  // namespace slipway::test
