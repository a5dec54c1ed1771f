// What the user wrote, typed: plain structs, each value with its place. Tables (tables.h) say how each is
// read.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/location.h"

namespace slipway {

// A text and where it stands.
struct Text {
  std::string text;
  Location where;
  bool empty() const { return text.empty(); }
};

// The value of an environment variable or file: a text (which may hold `${{ }}` of the run), or a secret's
// name.
struct Value {
  std::string text;
  std::string secret;  // not empty: the value of that secret
  Location where;
};
using Values = std::map<std::string, Value>;

struct Source {
  std::string name;
  Location where;
  Text path;  // a folder, relative to the spec; or
  Text git;   // a URL
  Text ref;   // branch, tag or commit; empty: the remote's HEAD
  bool submodules = false;
  Text token;  // a secret
};

// A reference or repository prefix answered by an image of the spec or by another registry.
struct Mirror {
  std::string from;
  Location where;
  Text image;  // of `images`; or
  Text to;     // a repository prefix
};

struct Registry {
  Location where;
  Text url;          // "registry.example.com/shop": images are pushed below it
  Text credentials;  // a secret
  bool insecure = false;
  std::vector<Mirror> mirrors;
};

struct SecretSpec {
  std::string name;
  Location where;
  Text env, file;
  std::vector<Text> command;
};

struct Healthcheck {
  Location where;
  Text http;                      // a path
  std::optional<int> tcp;         // a port
  std::vector<std::string> test;  // argv, run inside
  std::optional<int> port;
  Millis interval{2'000}, timeout{2'000}, start_period{0};
  int retries = 30;
};

struct Image {
  std::string name;
  Location where;
  Text uses;  // the plugin that builds it; empty: dockerfile
  nlohmann::json with = nlohmann::json::object();
  Location with_where;
  Text source, context, dockerfile, target;
  Values args;
  std::map<std::string, std::string> labels;
  std::map<std::string, Text> needs;  // build argument → image
  std::string network;                // "" "default" "none" "host"
  std::vector<Text> tags;
  std::optional<bool> push;  // default: what services run
  bool pull = false;
  std::optional<Millis> timeout;
};

struct RetrySpec {
  int max = 0;
  std::vector<std::string> on;  // "infra" "failure"
};

struct Test {
  std::string name;
  Location where;
  Text image;
  std::vector<Text> needs;     // tests
  std::vector<Text> services;  // backing
  Values env;
  std::vector<std::string> run;  // one text: sh -c; several: argv
  bool run_is_list = false;
  std::string workdir, user, network;
  std::optional<Millis> timeout;
  RetrySpec retries;
  bool cache = true;
};

struct Dependency {
  Text on;
  std::string until = "healthy";  // "started" "healthy"
};

// A command in a service's image, once in each release that changes the service: a migration, a check.
struct Hook {
  Location where;
  std::vector<std::string> run;  // argv
  std::optional<Millis> timeout;
};

// A way in from outside of a cluster.
struct Ingress {
  Location where;
  Text host, path, class_name, tls_secret;
};

// Objects of a cluster as the user wrote them, instead of those that slipway makes.
struct Manifests {
  Location where;
  std::vector<std::string> files, command;
  std::string kustomize;  // a folder
};

// As many replicas as the load asks for, of clusters: percents of what a replica requests.
struct Autoscale {
  Location where;
  int min = 1, max = 0;
  std::optional<int> cpu, memory;
};

// Who a service is to the API of its cluster, and to the clouds that trust it.
struct ServiceAccount {
  Location where;
  Text name;                                       // one that is there; empty: made, named as the service
  std::map<std::string, std::string> annotations;  // of the made one
  bool token = false;                              // it finds a token of the account inside
};

// What runs: a service of the user's, or a backing service (a database) that tests and services use.
struct Service {
  std::string name;
  Location where;
  bool backing = false;
  Text image;  // of `images`, or a reference
  std::vector<std::string> command;
  std::optional<int> port;     // the container's
  std::optional<int> publish;  // on this machine
  int replicas = 1;
  std::optional<Location> replicas_where;
  Values environment;
  Values files;  // path → secret or text
  std::vector<Text> volumes;
  std::vector<std::string> tmpfs;
  std::string user, workdir;
  std::vector<Dependency> depends_on;
  std::optional<Healthcheck> healthcheck;
  std::optional<Millis> stop_grace_period;
  std::map<std::string, std::string> requests, limits;  // "cpu" "memory" → a quantity; of clusters
  std::optional<Location> resources;                    // where they stand
  std::optional<Hook> before, after;                    // of clusters
  std::optional<Ingress> ingress;                       // of clusters
  std::optional<Manifests> manifests;                   // of clusters
  std::optional<Autoscale> autoscale;                   // of clusters; instead of replicas
  std::optional<ServiceAccount> service_account;        // of clusters
};

struct Target {
  Location where;
  Text kind;  // the plugin: "local" "kubernetes" "swarm"
  // Of clusters:
  Text context;
  bool prune = true;
  std::optional<Millis> deadline, stable;
  // Of Kubernetes:
  Text kubeconfig, name_space;
  bool network_policy = false, create_namespace = false;
  std::vector<Text> take_over;
  Text prometheus;  // the server that checks ask
  // Of swarms:
  Text host, ca, cert, key;
  bool encrypted = true;
  std::string publish_mode, endpoint_mode, update_order;  // "": the default
};

// A question about a new version that is asked while its rollout holds: one of `http`, `prometheus`,
// `command`.
struct ReleaseCheck {
  Location where;
  Text http;        // a path of the new pods, or a URL
  Text prometheus;  // a query; `server`: where it is asked (default: the target's)
  Text server;
  std::vector<std::string> command;  // argv
  std::optional<double> above, below;
  std::optional<int> failures;  // in a row
  std::optional<Millis> interval;
};

struct CanaryStep {
  Location where;
  int weight = 0;  // percent
  std::optional<Millis> hold;
  bool manual = false;  // until somebody promotes it
};

// How a new version takes the place of the old one.
struct Strategy {
  Location where;
  std::string kind = "rolling";            // "rolling" "recreate" "blue_green" "canary"
  std::string max_surge, max_unavailable;  // of rolling: a number or a percentage; "" is the default
  bool preview = false, manual = false;    // of blue_green
  std::optional<Millis> keep_old;
  std::string traffic = "replicas";  // of canary: "replicas" "routes"
  std::vector<CanaryStep> steps;
  std::vector<ReleaseCheck> checks;
};

// The rollout begins only when its images serve, healthy, in another environment.
struct Requirement {
  Location where;
  Text environment;
  Millis lasting{0};  // since when the release there has to be good
};

// Somebody has to agree before the rollout begins.
struct Approval {
  Location where;
  std::vector<Text> by;  // users and groups of the machine; empty: anybody
  Millis timeout{86'400'000};
};

struct Environment {
  std::string name;
  Location where;
  Target target;
  std::optional<Strategy> strategy;            // of all services
  std::map<std::string, Strategy> strategies;  // of single ones
  std::vector<Requirement> requirements;
  std::optional<Approval> approval;
  Text queue;  // rollouts that name the same one come one after the other; empty: none
  std::map<std::string, std::string> vars;
  std::vector<Text> skip_tests;
  std::optional<Millis> timeout;  // of the rollout
};

struct UserStep {
  std::string name;
  Location where;
  Text run, uses;
  nlohmann::json with = nlohmann::json::object();
  Location with_where;
  std::string shell, cwd;
  std::vector<std::string> inputs;
  Values env;
  std::vector<Text> secrets;
  std::vector<Text> after, before;
  std::optional<Millis> timeout;
  RetrySpec retries;
  bool cache = true;
  bool continue_on_error = false;
  Text when;  // `if`
};

// A section of named things, in the user's order.
template <typename T>
struct Named {
  std::vector<T> items;
  const T* find(const std::string& name) const {
    const auto it = index.find(name);
    return it == index.end() ? nullptr : &items[it->second];
  }
  void add(T item) {
    index.emplace(item.name, items.size());
    items.push_back(std::move(item));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& item : items) out.push_back(item.name);
    return out;
  }
  auto begin() const { return items.begin(); }
  auto end() const { return items.end(); }
  bool empty() const { return items.empty(); }
  std::size_t size() const { return items.size(); }
  std::unordered_map<std::string, std::size_t> index;
};

struct Retain {
  int runs = 200;                           // journals kept
  std::uint64_t cache = 20'000'000'000ull;  // bytes `slipway cache gc` leaves
};

struct Spec {
  std::filesystem::path file, dir;
  int version = 1;
  Text name;
  std::map<std::string, std::string> vars;  // of the file and the chosen environment
  Named<Source> sources;
  Registry registry;
  Named<SecretSpec> secrets;
  Named<Service> backing;
  Named<Image> images;
  Named<Test> tests;
  Named<Service> services;
  Named<Environment> environments;
  std::vector<UserStep> steps;
  Retain retain;
  std::string environment;  // the chosen one; "" for none
  // All that the file names: `environments` lacks those whose `${{ }}` is not for today.
  std::vector<std::string> environment_names;
};

}  // namespace slipway
