// Tables of what is run: services, backing services, tests, environments, steps, and the file itself.
#include "spec/rows.h"
#include "spec/tables.h"

namespace slipway {

namespace {

// As compose writes it: [CMD, a, b], [CMD-SHELL, text], or a text for the shell.
void read_probe_command(Healthcheck& check, const Node& node, Diagnostics& diagnostics) {
  auto words = read::strings(node, diagnostics, true);
  if (words.empty()) return;
  if (node.is_scalar())
    check.test = {"/bin/sh", "-c", words[0]};
  else if (words[0] == "CMD-SHELL" && words.size() == 2)
    check.test = {"/bin/sh", "-c", words[1]};
  else if (words[0] == "CMD" && words.size() > 1)
    check.test.assign(words.begin() + 1, words.end());
  else
    diagnostics.error(node.where, "a test is `[CMD, program, argument…]` or `[CMD-SHELL, text]`");
}

template <typename T>
Key<T> healthcheck() {
  return row::custom<T>("healthcheck", "when a replica counts as healthy",
                        {{"$ref", "#/definitions/healthcheck"}},
                        [](T& into, const Node& node, Diagnostics& d) {
                          Healthcheck check;
                          check.where = node.where;
                          healthcheck_table().read(check, node, d);
                          const int kinds = !check.http.empty() + check.tcp.has_value() + !check.test.empty();
                          if (node.is_mapping() && kinds != 1 && !node.find("grpc"))
                            d.error(node.where, "a healthcheck has exactly one of `http`, `tcp` and `test`");
                          into.healthcheck = std::move(check);
                        });
}

void read_volumes(Service& service, const Node& node, Diagnostics& diagnostics) {
  for (auto& volume : read::texts(node, diagnostics)) {
    const auto colon = volume.text.find(":/");
    if (colon == std::string::npos || colon == 0) {
      diagnostics.error(volume.where, fmt::format("`{}` is no volume", volume.text),
                        "write NAME:/path/inside");
      continue;
    }
    if (volume.text.starts_with('/') || volume.text.starts_with('.') || volume.text.find('/') < colon) {
      diagnostics.error(volume.where, "folders of this machine cannot be mounted",
                        "name a volume: NAME:/path/inside");
      continue;
    }
    service.volumes.push_back(std::move(volume));
  }
}

void read_depends_on(Service& service, const Node& node, Diagnostics& diagnostics) {
  if (node.is_sequence()) {
    for (auto& one : read::texts(node, diagnostics))
      service.depends_on.push_back({std::move(one), "healthy"});
    return;
  }
  if (!node.is_mapping()) {
    diagnostics.error(node.where, fmt::format("this must be a list of services or `NAME: healthy`, not {}",
                                              node.describe()));
    return;
  }
  for (const auto& member : node.members)
    if (auto until = read::one_of(*member.value, diagnostics, {"healthy", "started"}))
      service.depends_on.push_back({{member.key, member.where}, *until});
}

// "250m" "0.5" "64Mi" (apimachinery pkg/api/resource/quantity.go).
bool is_quantity(std::string_view text) {
  const auto end = text.find_first_not_of("0123456789.");
  const auto digits = text.substr(0, end);
  if (digits.empty() || digits.front() == '.' || digits.back() == '.' ||
      std::count(digits.begin(), digits.end(), '.') > 1)
    return false;
  static const std::set<std::string_view> suffixes = {"",  "m",  "k",  "M",  "G",  "T",
                                                      "P", "Ki", "Mi", "Gi", "Ti", "Pi"};
  return suffixes.contains(end == std::string_view::npos ? "" : text.substr(end));
}

nlohmann::json quantities() {
  return {{"type", "object"},
          {"properties", {{"cpu", schema_of::text()}, {"memory", schema_of::text()}}},
          {"additionalProperties", false}};
}

// Quantities as Kubernetes writes them: 250m, 0.5, 64Mi, 1G.
Key<Service> resources() {
  return row::custom<Service>(
      "resources", "{requests: {cpu, memory}, limits: {cpu, memory}}, on clusters",
      {{"type", "object"},
       {"properties", {{"requests", quantities()}, {"limits", quantities()}}},
       {"additionalProperties", false}},
      [](Service& into, const Node& node, Diagnostics& d) {
        struct Quantities {
          Text cpu, memory;
        };
        static const Table<Quantities> inner = {
            "`requests` or `limits`",
            "",
            {row::text("cpu", &Quantities::cpu, "such as `250m` or `1`"),
             row::text("memory", &Quantities::memory, "such as `256Mi`")}};
        static const auto read_into = [](std::map<std::string, std::string>& map, const Node& value,
                                         Diagnostics& dd) {
          Quantities found;
          inner.read(found, value, dd);
          for (const auto& [name, text] : {std::pair{"cpu", found.cpu}, {"memory", found.memory}}) {
            if (text.empty()) continue;
            if (!is_quantity(text.text))
              dd.error(text.where, fmt::format("`{}` is no quantity", text.text),
                       "write `250m`, `1`, `256Mi` or `2G`");
            map[name] = text.text;
          }
        };
        static const Table<Service> table = {
            "resources",
            "",
            {row::custom<Service>(
                 "requests", "", {},
                 [](Service& s, const Node& n, Diagnostics& dd) { read_into(s.requests, n, dd); }),
             row::custom<Service>("limits", "", {}, [](Service& s, const Node& n, Diagnostics& dd) {
               read_into(s.limits, n, dd);
             })}};
        into.resources = node.where;
        table.read(into, node, d);
      });
}

// {run: TEXT or LIST, once: per-release, timeout: 5m}
Key<Service> hook(std::string name, std::optional<Hook> Service::*member, std::string summary) {
  return row::custom<Service>(std::move(name), std::move(summary),
                              {{"type", "object"},
                               {"properties",
                                {{"run", schema_of::texts(true)},
                                 {"once", {{"enum", {"per-release"}}}},
                                 {"timeout", schema_of::duration()}}},
                               {"required", {"run"}},
                               {"additionalProperties", false}},
                              [member](Service& into, const Node& node, Diagnostics& d) {
                                static const Table<Hook> table = {
                                    "command",
                                    "",
                                    {row::required(row::custom<Hook>(
                                         "run", "a text for the shell, or a list: program and arguments", {},
                                         [](Hook& h, const Node& n, Diagnostics& dd) {
                                           h.run = read::strings(n, dd, true);
                                           if (n.is_scalar() && !h.run.empty())
                                             h.run = {"/bin/sh", "-c", h.run[0]};
                                           if (n.is_sequence() && n.items.empty())
                                             dd.error(n.where, "the command is empty");
                                         })),
                                     row::custom<Hook>("once", "", {},
                                                       [](Hook&, const Node& n, Diagnostics& dd) {
                                                         read::one_of(n, dd, {"per-release"});
                                                       }),
                                     row::duration("timeout", &Hook::timeout, "")}};
                                Hook found;
                                found.where = node.where;
                                table.read(found, node, d);
                                into.*member = std::move(found);
                              });
}

Key<Service> ingress() {
  return row::custom<Service>(
      "ingress", "{host, path, class, tls}: a way in from outside of a Kubernetes cluster",
      {{"type", "object"},
       {"properties",
        {{"host", schema_of::text()},
         {"path", schema_of::text()},
         {"class", schema_of::text()},
         {"tls", schema_of::text()}}},
       {"additionalProperties", false}},
      [](Service& into, const Node& node, Diagnostics& d) {
        static const Table<Ingress> table = {
            "ingress",
            "",
            {row::required(row::text("host", &Ingress::host, "such as shop.example.com")),
             row::text("path", &Ingress::path, "what it begins with (default /)"),
             row::text("class", &Ingress::class_name,
                       "of the cluster's ingress controllers (default: the cluster's)"),
             row::text("tls", &Ingress::tls_secret, "a Secret of the namespace with the certificate")}};
        Ingress found;
        found.where = node.where;
        table.read(found, node, d);
        if (!found.path.empty() && !found.path.text.starts_with('/'))
          d.error(found.path.where, fmt::format("the path `{}` does not begin with /", found.path.text));
        into.ingress = std::move(found);
      });
}

Key<Service> replicas() {
  constexpr int kMost = 1'000;
  return row::custom<Service>("replicas",
                              "how many of it run; 0, on this machine only: part of the release, and not "
                              "started; with `autoscale`: at first",
                              schema_of::number(0, kMost),
                              [](Service& into, const Node& node, Diagnostics& d) {
                                into.replicas_where = node.where;
                                if (auto value = read::number(node, d, 0, kMost))
                                  into.replicas = static_cast<int>(*value);
                              });
}

std::vector<Key<Service>> service_keys(bool backing) {
  std::vector<Key<Service>> keys = {
      row::required(row::text("image", &Service::image, "an image of this file, or a reference")),
      row::strings("command", &Service::command, "instead of the image's command", true),
      row::number("port", &Service::port, 1, 65535, "the port it listens on"),
      row::values("environment", &Service::environment, "environment variables: texts, or `{secret: NAME}`"),
      row::values("files", &Service::files,
                  "files put into it, readable by its user alone: path → `{secret: NAME}`", true),
      row::custom<Service>("volumes", "data that stays: NAME:/path/inside", schema_of::texts(), read_volumes),
      row::strings("tmpfs", &Service::tmpfs, "paths held in memory"),
      row::text("user", &Service::user, "user or user:group it runs as"),
      row::text("workdir", &Service::workdir, "its working folder"),
      row::custom<Service>(
          "depends_on", "what must be there before it starts: `NAME: healthy` or `started`",
          {{"anyOf", {schema_of::texts(), schema_of::map_of(schema_of::one_of({"healthy", "started"}))}}},
          read_depends_on),
      healthcheck<Service>(),
      row::duration("stop_grace_period", &Service::stop_grace_period,
                    "time to end after its stop signal (default 10s)"),
  };
  if (!backing) {
    keys.insert(keys.begin() + 3, row::number("publish", &Service::publish, 1, 65535,
                                              "port on this machine (local target) or on the nodes (swarm)"));
    keys.insert(keys.begin() + 4, replicas());
    keys.push_back(resources());
    keys.push_back(
        hook("before", &Service::before, "a command in its image before traffic moves, on clusters"));
    keys.push_back(hook("after", &Service::after, "a command in its image once it serves, on clusters"));
    keys.push_back(ingress());
    for (auto& key : cluster_keys()) keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

const Table<Healthcheck>& healthcheck_table() {
  static const Table<Healthcheck> table = {
      "healthcheck",
      "How slipway finds out that a replica is healthy.",
      {
          row::text("http", &Healthcheck::http, "a path; healthy is an answer of 200 to 399"),
          row::number("tcp", &Healthcheck::tcp, 1, 65535, "a port; healthy is an accepted connection"),
          row::custom<Healthcheck>("test",
                                   "a command run inside: [CMD, program, argument…]; healthy is exit 0",
                                   schema_of::texts(true), read_probe_command),
          row::number("port", &Healthcheck::port, 1, 65535, "port of `http` (default: the service's)"),
          row::duration("interval", &Healthcheck::interval, "time between two probes (default 2s)"),
          row::duration("timeout", &Healthcheck::timeout, "time a probe may take (default 2s)"),
          row::number("retries", &Healthcheck::retries, 1, 10'000,
                      "failed probes in a row that make it unhealthy (default 30)"),
          row::duration("start_period", &Healthcheck::start_period,
                        "time at the start in which failures do not count"),
          row::planned<Healthcheck>("grpc", "probes of the gRPC health protocol"),
      }};
  return table;
}

const Table<Service>& backing_table() {
  static const Table<Service> table = {"backing service", "A database or broker that tests and services use.",
                                       service_keys(true)};
  return table;
}

const Table<Service>& service_table() {
  static const Table<Service> table = {"service", "What is rolled out.", service_keys(false)};
  return table;
}

namespace {

template <typename T>
Key<T> retries() {
  return row::custom<T>(
      "retries", "how often to try again: a number, or {max: 2, on: [infra]}",
      {{"anyOf",
        {schema_of::number(0, 10),
         {{"type", "object"},
          {"properties",
           {{"max", schema_of::number(0, 10)},
            {"on", schema_of::list_of(schema_of::one_of({"infra", "failure"}))}}},
          {"additionalProperties", false}}}}},
      [](T& into, const Node& node, Diagnostics& d) {
        static const Table<RetrySpec> table = {
            "retry rule",
            "",
            {row::number("max", &RetrySpec::max, 0, 10, "further tries"),
             row::custom<RetrySpec>(
                 "on", "which faults", {}, [](RetrySpec& rule, const Node& list, Diagnostics& dd) {
                   if (!list.is_sequence()) {
                     dd.error(list.where, fmt::format("this must be a list of `infra` and `failure`, not {}",
                                                      list.describe()));
                     return;
                   }
                   for (const auto& item : list.items)
                     if (auto word = read::one_of(*item, dd, {"infra", "failure"})) rule.on.push_back(*word);
                 })}};
        if (node.is_mapping())
          table.read(into.retries, node, d);
        else if (auto count = read::number(node, d, 0, 10))
          into.retries.max = static_cast<int>(*count);
      });
}

}  // namespace

const Table<Test>& test_table() {
  static const Table<Test> table = {
      "test",
      "A command run inside an image that was built; it must be green before anything is rolled out.",
      {
          row::required(row::text("image", &Test::image, "the image it runs in")),
          row::required(row::custom<Test>(
              "run", "a text for the shell, or a list: program and arguments", schema_of::texts(true),
              [](Test& test, const Node& node, Diagnostics& d) {
                if (node.is_mapping()) {
                  d.error(node.where,
                          "`run` with an image of its own is not built yet: tests of several images together",
                          "take it out: slipway does not ignore what it cannot do");
                  return;
                }
                for (auto& one : read::texts(node, d, true, true)) test.run.push_back(one.text);
                test.run_is_list = node.is_sequence();
                if (test.run_is_list && node.items.empty()) d.error(node.where, "the command is empty");
              })),
          row::texts("needs", &Test::needs, "tests that must be green before"),
          row::texts("services", &Test::services, "backing services it needs, reachable by name"),
          row::values("env", &Test::env, "environment variables: texts, or `{secret: NAME}`"),
          row::text("workdir", &Test::workdir, "working folder (default: the image's)"),
          row::text("user", &Test::user, "user it runs as (default: the image's)"),
          row::word("network", &Test::network, {"default", "none"}, "`none`: no network but its services"),
          row::duration("timeout", &Test::timeout, "how long it may take"),
          retries<Test>(),
          row::flag("cache", &Test::cache,
                    "do not run again what passed with the same content (default true)"),
          row::planned<Test>("images", "tests of several images together"),
          row::planned<Test>("inputs", "a narrower key than the image's digest"),
          row::planned<Test>("matrix", "one test with several settings"),
          row::planned<Test>("uses", "tests by plugins"),
          row::planned<Test>("with", "tests by plugins"),
      }};
  return table;
}

namespace {

// {ca, cert, key}: files.
Key<Target> engine_tls() {
  return row::custom<Target>(
      "tls", "{ca, cert, key}: PEM files for a tcp host; of `swarm`",
      {{"type", "object"},
       {"properties", {{"ca", schema_of::text()}, {"cert", schema_of::text()}, {"key", schema_of::text()}}},
       {"additionalProperties", false}},
      [](Target& into, const Node& node, Diagnostics& d) {
        static const Table<Target> inner = {
            "`tls` of a target",
            "",
            {row::text("ca", &Target::ca, ""), row::text("cert", &Target::cert, ""),
             row::text("key", &Target::key, "")}};
        inner.read(into, node, d);
      });
}

// What only one kind of target knows is a mistake at the others.
void check_target_keys(const Target& target, const Node& node, Diagnostics& d) {
  static const std::map<std::string_view, std::string_view> kinds = {{"kubeconfig", "kubernetes"},
                                                                     {"namespace", "kubernetes"},
                                                                     {"take_over", "kubernetes"},
                                                                     {"create_namespace", "kubernetes"},
                                                                     {"network_policy", "kubernetes"},
                                                                     {"prometheus", "kubernetes"},
                                                                     {"host", "swarm"},
                                                                     {"tls", "swarm"},
                                                                     {"encrypted", "swarm"},
                                                                     {"publish_mode", "swarm"},
                                                                     {"endpoint_mode", "swarm"},
                                                                     {"update_order", "swarm"}};
  if (!node.is_mapping()) return;
  for (const auto& member : node.members) {
    if (member.key == "kind" || member.key.starts_with("x-")) continue;
    if (target.kind.text == "local") {
      d.error(member.where, fmt::format("`{}` is of clusters: this target is this machine", member.key));
      continue;
    }
    const auto of = kinds.find(member.key);
    if (of != kinds.end() && of->second != target.kind.text && !target.kind.empty())
      d.error(member.where,
              fmt::format("`{}` is of `{}`: this target is `{}`", member.key, of->second, target.kind.text));
  }
}

}  // namespace

const Table<Target>& target_table() {
  static const Table<Target> table = {
      "target",
      "What an environment runs on. All keys but `kind` are of clusters.",
      {
          row::required(
              row::custom<Target>("kind",
                                  "`local`: this machine; `kubernetes`: a cluster; `swarm`: a swarm "
                                  "of Docker Engines",
                                  schema_of::one_of({"local", "kubernetes", "swarm"}),
                                  [](Target& into, const Node& node, Diagnostics& d) {
                                    if (auto kind = read::text(node, d)) into.kind = {*kind, node.where};
                                  })),
          row::text(
              "kubeconfig", &Target::kubeconfig,
              "a file, relative to this one (default: $KUBECONFIG, ~/.kube/config, a pod's service account); "
              "of `kubernetes`"),
          row::text("context", &Target::context,
                    "of the kubeconfig, or of docker (default: its current one)"),
          row::text("namespace", &Target::name_space,
                    "where the services run (default: the context's); of `kubernetes`"),
          row::flag("create_namespace", &Target::create_namespace,
                    "make the namespace when it is not there; of `kubernetes`"),
          row::flag("network_policy", &Target::network_policy,
                    "only who depends on a service reaches it, and everybody those with an `ingress`; of "
                    "`kubernetes`"),
          row::flag("prune", &Target::prune, "remove what left the spec (default true)"),
          row::texts("take_over", &Target::take_over,
                     "fields that may be taken from other managers, such as spec.replicas; `*` means all; of "
                     "`kubernetes`"),
          row::duration("deadline", &Target::deadline,
                        "how long a service may take to become healthy (default 10m)"),
          row::duration("stable", &Target::stable,
                        "how long it must stay healthy before the release counts as good"),
          row::text("prometheus", &Target::prometheus,
                    "URL of the Prometheus server that the checks of strategies ask; of `kubernetes`"),
          row::text(
              "host", &Target::host,
              "a manager: unix:///…, tcp://… or ssh://user@host (default: $DOCKER_HOST, docker's current "
              "context); of `swarm`"),
          engine_tls(),
          row::flag(
              "encrypted", &Target::encrypted,
              "traffic between nodes is encrypted (default true; needs ESP in their kernels); of `swarm`"),
          row::word("publish_mode", &Target::publish_mode, {"ingress", "host"},
                    "`publish` on every node (default), or on those that run the service; of `swarm`"),
          row::word(
              "endpoint_mode", &Target::endpoint_mode, {"vip", "dnsrr"},
              "how a service's name is found: a virtual address (default; needs IPVS in the kernels), or "
              "its replicas' own; of `swarm`"),
          row::word("update_order", &Target::update_order, {"start-first", "stop-first"},
                    "default: start-first where data and ports allow it; of `swarm`"),
      }};
  return table;
}

namespace {

std::vector<Key<Environment>> with_gates(std::vector<Key<Environment>> keys) {
  for (auto& key : gate_keys()) keys.push_back(std::move(key));
  return keys;
}

}  // namespace

const Table<Environment>& environment_table() {
  static const Table<Environment> table = {
      "environment", "A place where the services run.",
      with_gates({
          row::required(row::custom<Environment>("target", "what it runs on",
                                                 {{"$ref", "#/definitions/target"}},
                                                 [](Environment& into, const Node& node, Diagnostics& d) {
                                                   into.target.where = node.where;
                                                   target_table().read(into.target, node, d);
                                                   check_target_keys(into.target, node, d);
                                                 })),
          row::string_map("vars", &Environment::vars,
                          "values for `${{ vars.NAME }}`; they win over the file's"),
          row::custom<Environment>("tests", "{skip: [NAME…]}: tests that do not gate this environment",
                                   {{"type", "object"},
                                    {"properties", {{"skip", schema_of::texts()}}},
                                    {"additionalProperties", false}},
                                   [](Environment& into, const Node& node, Diagnostics& d) {
                                     static const Table<Environment> inner = {
                                         "`tests` of an environment",
                                         "",
                                         {row::texts("skip", &Environment::skip_tests, "")}};
                                     inner.read(into, node, d);
                                   }),
          row::duration("timeout", &Environment::timeout, "how long a rollout may take"),
          row::custom<Environment>("overrides", "{services: {NAME: {…}}}: keys of services that differ here",
                                   schema_of::mapping(), [](Environment&, const Node&, Diagnostics&) {}),
          strategy_key(),
      })};
  return table;
}

const Table<UserStep>& step_table() {
  static const Table<UserStep> table = {
      "step",
      "A further step anywhere in the graph: a command of yours, or a plugin.",
      {
          row::required(
              row::custom<UserStep>("name", "its name", schema_of::text(),
                                    [](UserStep& into, const Node& node, Diagnostics& d) {
                                      if (!node.is_scalar()) {
                                        d.error(node.where, "a step's name is a text");
                                      } else if (read::name({node.text, node.where, nullptr}, "step", d)) {
                                        into.name = node.text;
                                        into.where = node.where;
                                      }
                                    })),
          row::text("run", &UserStep::run, "commands for the shell", true),
          row::text("uses", &UserStep::uses,
                    "a plugin's name, or the path of an executable (./plugins/scan)"),
          row::custom<UserStep>("with",
                                "parameters of the plugin; `action` names the action when it has several",
                                schema_of::mapping(),
                                [](UserStep& into, const Node& node, Diagnostics& d) {
                                  into.with = read::any_mapping(node, d);
                                  into.with_where = node.where;
                                }),
          row::text("shell", &UserStep::shell, "the shell of `run` (default: sh -e)"),
          row::text("cwd", &UserStep::cwd, "folder of `run`, relative to this file"),
          row::strings("inputs", &UserStep::inputs,
                       "files that `run` depends on (globs): unchanged, it does not run again"),
          row::values("env", &UserStep::env, "environment variables: texts, or `{secret: NAME}`"),
          row::texts("secrets", &UserStep::secrets, "secrets the plugin may see"),
          row::texts(
              "after", &UserStep::after,
              "what must be done before: images.NAME, tests.NAME, a step, or build, test, push, deploy",
              true),
          row::texts("before", &UserStep::before, "what waits for this step, named the same way", true),
          row::duration("timeout", &UserStep::timeout, "how long it may take"),
          retries<UserStep>(),
          row::flag("cache", &UserStep::cache, "do not run again with unchanged content (default true)"),
          row::flag("continue_on_error", &UserStep::continue_on_error, "its failure does not fail the run"),
          row::text("if", &UserStep::when, "always() or failure() (default: when all before it succeeded)",
                    true),
          row::planned<UserStep>("undo", "undoing steps when a release is rolled back"),
      }};
  return table;
}

const Table<Retain>& retain_table() {
  static const Table<Retain> table = {
      "retention rule",
      "How much is kept on this machine.",
      {
          row::number("runs", &Retain::runs, 1, 1'000'000,
                      "runs with their journals, of all projects (default 200)"),
          row::custom<Retain>("cache", "what `slipway cache gc` leaves (default 20GB)", schema_of::text(),
                              [](Retain& into, const Node& node, Diagnostics& d) {
                                const auto size = node.is_scalar() ? parse_size(node.text) : std::nullopt;
                                if (size)
                                  into.cache = *size;
                                else
                                  d.error(node.where,
                                          fmt::format("this must be a size, not {}", node.describe()),
                                          "write a number with its unit: `500MB`, `20GB`");
                              }),
          row::planned<Retain>("releases", "a number of kept releases"),
      }};
  return table;
}

const Table<Spec>& spec_table() {
  static const Table<Spec> table = {
      "spec",
      "The file slipway.yaml. Keys that begin with x- are yours; anchors and << work.",
      {
          row::required(row::custom<Spec>(
              "version", "the version of this language: 1", {{"const", 1}},
              [](Spec& into, const Node& node, Diagnostics& d) {
                const auto version = node.as_int();
                if (version && *version == 1)
                  into.version = 1;
                else
                  d.error(node.where, fmt::format("this slipway reads version 1, not {}", node.describe()));
              })),
          row::required(
              row::custom<Spec>("name", "the project's name", schema_of::text(),
                                [](Spec& into, const Node& node, Diagnostics& d) {
                                  if (!node.is_scalar())
                                    d.error(node.where, "the name is a text");
                                  else if (read::name({node.text, node.where, nullptr}, "project", d))
                                    into.name = {node.text, node.where};
                                })),
          row::string_map("vars", &Spec::vars, "values for `${{ vars.NAME }}`"),
          row::section("sources", &Spec::sources, source_table,
                       "where code comes from (default: the folder of this file)"),
          row::custom<Spec>("registry", "where images are pushed to", {{"$ref", "#/definitions/registry"}},
                            [](Spec& into, const Node& node, Diagnostics& d) {
                              into.registry.where = node.where;
                              registry_table().read(into.registry, node, d);
                            }),
          row::section("secrets", &Spec::secrets, secret_table, "where secrets come from"),
          row::section("backing", &Spec::backing, backing_table,
                       "databases and brokers that tests and services use"),
          row::section("images", &Spec::images, image_table, "what is built"),
          row::section("tests", &Spec::tests, test_table, "what must be green"),
          row::section("services", &Spec::services, service_table, "what is rolled out"),
          row::section("environments", &Spec::environments, environment_table, "where it is rolled out"),
          row::custom<Spec>("steps", "further steps", schema_of::list_of({{"$ref", "#/definitions/step"}}),
                            [](Spec& into, const Node& node, Diagnostics& d) {
                              if (!node.is_sequence()) {
                                d.error(node.where,
                                        fmt::format("this must be a list of steps, not {}", node.describe()));
                                return;
                              }
                              for (const auto& item : node.items) {
                                UserStep step;
                                step.where = item->where;
                                step_table().read(step, *item, d);
                                into.steps.push_back(std::move(step));
                              }
                            }),
          row::custom<Spec>("retain", "how much is kept", {{"$ref", "#/definitions/retention rule"}},
                            [](Spec& into, const Node& node, Diagnostics& d) {
                              retain_table().read(into.retain, node, d);
                            }),
          row::planned<Spec>("inputs", "inputs of a run; use `vars` and --var"),
          row::planned<Spec>("verify", "checks after the rollout"),
          row::planned<Spec>("notify", "notifications"),
      }};
  return table;
}

namespace {

template <typename T>
Section section_of(std::string path, const Table<T>& table) {
  Section out{std::move(path), table.title, table.summary, {}};
  for (const auto& key : table.keys) out.keys.push_back(key);
  return out;
}

}  // namespace

std::vector<Section> all_sections() {
  return {section_of("", spec_table()),
          section_of("sources.NAME", source_table()),
          section_of("registry", registry_table()),
          section_of("secrets.NAME", secret_table()),
          section_of("images.NAME", image_table()),
          section_of("backing.NAME", backing_table()),
          section_of("tests.NAME", test_table()),
          section_of("services.NAME", service_table()),
          section_of("healthcheck", healthcheck_table()),
          section_of("environments.NAME", environment_table()),
          section_of("environments.NAME.target", target_table()),
          section_of("environments.NAME.strategy.rolling", rolling_table()),
          section_of("environments.NAME.strategy.blue_green", blue_green_table()),
          section_of("environments.NAME.strategy.canary", canary_table()),
          section_of("checks and abort_when", release_check_table()),
          section_of("environments.NAME.requires", requirement_table()),
          section_of("environments.NAME.approval", approval_table()),
          section_of("steps", step_table()),
          section_of("retain", retain_table())};
}

}  // namespace slipway
