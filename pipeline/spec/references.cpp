#include "spec/references.h"

#include "base/error.h"
#include "base/suggest.h"
#include "spec/expression.h"
#include "sys/files.h"
#include "sys/git_url.h"

namespace slipway {

namespace {

class Check {
 public:
  Check(const Spec& spec, Diagnostics& diagnostics) : spec_(spec), d_(diagnostics) {}

  void all() {
    sources();
    secrets();
    registry();
    images();
    tests();
    services();
    steps();
    environments();
    cycles();
  }

 private:
  template <typename T>
  bool name_in(const Named<T>& section, const Text& name, std::string_view what) {
    if (name.empty()) return true;
    if (section.find(name.text)) return true;
    auto where = name.where;
    where.length = static_cast<int>(std::max<std::size_t>(1, name.text.size()));
    d_.error(where, fmt::format("there is no {} `{}`", what, name.text),
             suggestion_hint(name.text, section.names()));
    return false;
  }

  void strategies(const Environment& environment) {
    const bool cluster = environment.target.kind.text == "kubernetes";
    const auto look = [&](const Strategy& strategy) {
      const bool plain =
          strategy.kind == "rolling" && strategy.max_surge.empty() && strategy.max_unavailable.empty();
      if (!cluster && !plain)
        d_.error(
            strategy.where,
            fmt::format("the target `{}` has no strategy `{}`", environment.target.kind.text, strategy.kind),
            "it replaces one replica after the other; `kubernetes` has all of them");
      for (const auto& check : strategy.checks)
        if (!check.prometheus.empty() && check.server.empty() && environment.target.prometheus.empty())
          d_.error(check.where, "which Prometheus server is asked?",
                   "name it here as `server`, or once under `target` as `prometheus`");
    };
    if (environment.strategy) look(*environment.strategy);
    for (const auto& [name, strategy] : environment.strategies) {
      name_in(spec_.services, {name, strategy.where}, "service");
      look(strategy);
    }
  }

  void secret(const Text& name) { name_in(spec_.secrets, name, "secret"); }
  void values(const Values& values) {
    for (const auto& [_, value] : values) {
      if (!value.secret.empty())
        secret({value.secret, value.where});
      else
        expressions({value.text, value.where});
    }
  }

  // What the run will know: images.NAME.ref|digest, sources.NAME.commit|branch, git.sha|sha_short|branch.
  void expressions(const Text& text) {
    if (text.text.find("${{") == std::string::npos) return;
    for (const auto& part : split_expressions(text.text)) {
      if (!part.expression) continue;
      const auto dot = part.text.find('.'), last = part.text.rfind('.');
      const auto room = part.text.substr(0, dot), leaf = part.text.substr(last + 1);
      const auto middle = last > dot ? part.text.substr(dot + 1, last - dot - 1) : std::string();
      bool good = false;
      if (room == "images") good = (leaf == "ref" || leaf == "digest") && !middle.empty();
      if (room == "sources") good = (leaf == "commit" || leaf == "branch") && !middle.empty();
      if (room == "git") good = middle.empty() && (leaf == "sha" || leaf == "sha_short" || leaf == "branch");
      if (!good)
        d_.error(text.where, fmt::format("`{}` is no expression slipway knows", part.text),
                 "images.NAME.ref, images.NAME.digest, sources.NAME.commit, sources.NAME.branch, git.sha, "
                 "git.sha_short, git.branch");
      else if (room == "images")
        name_in(spec_.images, {middle, text.where}, "image");
      else if (room == "sources")
        name_in(spec_.sources, {middle, text.where}, "source");
    }
  }
  void expressions(const nlohmann::json& value, const Location& where) {
    if (value.is_string()) return expressions(Text{value.get<std::string>(), where});
    for (const auto& child : value)
      if (child.is_structured() || child.is_string()) expressions(child, where);
  }

  void sources() {
    for (const auto& source : spec_.sources) {
      if (source.path.empty() == source.git.empty())
        d_.error(source.where, fmt::format("source `{}` has to have one of `path` and `git`", source.name));
      secret(source.token);
      // What git would refuse in the run is told before it.
      if (!source.git.empty()) accepted(source.git, [](const auto& text) { git::parse_url(text, "."); });
      accepted(source.ref, [](const auto& text) { git::check_ref(text); });
    }
  }
  template <typename F>
  void accepted(const Text& text, F&& parse) {
    try {
      parse(text.text);
    } catch (const Error& e) {
      d_.error(text.where, e.message(), e.hint());
    }
  }

  void secrets() {
    for (const auto& secret : spec_.secrets)
      if (!secret.env.empty() + !secret.file.empty() + !secret.command.empty() != 1)
        d_.error(
            secret.where,
            fmt::format("secret `{}` has to have exactly one of `env`, `file` and `command`", secret.name));
  }

  void registry() {
    secret(spec_.registry.credentials);
    for (const auto& mirror : spec_.registry.mirrors) name_in(spec_.images, mirror.image, "image");
  }

  void images() {
    for (const auto& image : spec_.images) {
      name_in(spec_.sources, image.source, "source");
      for (const auto& [_, other] : image.needs) name_in(spec_.images, other, "image");
      values(image.args);
      for (const auto& tag : image.tags) expressions(tag);
      expressions(image.with, image.with_where);
      if (!image.context.empty() && !path_inside("/", image.context.text))
        d_.error(image.context.where, fmt::format("`{}` leads out of the source", image.context.text));
      const bool by_engine = image.uses.text == "docker";
      const bool from_dockerfile = image.uses.empty() || image.uses.text == "dockerfile" || by_engine;
      if (by_engine && !image.with.empty() && (image.with.size() != 1 || !image.with.contains("host")))
        d_.error(image.with_where,
                 "`with` of a docker image has `host` only; the rest are keys of the image");
      if (from_dockerfile && !by_engine && !image.with.empty())
        d_.error(image.with_where, "`with` is for other plugins; a Dockerfile image has keys of its own");
      if (from_dockerfile && image.source.empty() && spec_.sources.size() > 1)
        d_.error(image.where, fmt::format("which source is image `{}` built from?", image.name),
                 "give it `source`: " + suggestion_hint("", spec_.sources.names()));
    }
  }

  void tests() {
    for (const auto& test : spec_.tests) {
      name_in(spec_.images, test.image, "image");
      for (const auto& other : test.needs) name_in(spec_.tests, other, "test");
      for (const auto& backing : test.services) name_in(spec_.backing, backing, "backing service");
      values(test.env);
      for (const auto& text : test.run) expressions(Text{text, test.where});
    }
  }

  bool on_cluster() const {
    const auto* environment = spec_.environments.find(spec_.environment);
    return environment && environment->target.kind.text != "local";
  }

  void services() {
    std::map<int, std::string> published;
    std::map<std::string, std::string> ways;
    for (const auto* section : {&spec_.backing, &spec_.services}) {
      for (const auto& service : *section) {
        values(service.environment);
        values(service.files);
        if (service.replicas == 0 && service.replicas_where && on_cluster())
          d_.error(*service.replicas_where, "a service on a cluster has at least one replica",
                   "take it out of this file to stop it; `slipway down` stops all");
        for (const auto& on : service.depends_on)
          if (!spec_.backing.find(on.on.text)) name_in(spec_.services, on.on, "service");
        if (service.publish && !service.port)
          d_.error(
              service.where,
              fmt::format("`{}` publishes a port, but says not which `port` it listens on", service.name));
        if (service.publish) {
          const auto [other, fresh] = published.emplace(*service.publish, service.name);
          if (!fresh)
            d_.error(service.where, fmt::format("`{}` and `{}` both publish port {}", other->second,
                                                service.name, *service.publish));
        }
        if (const auto& way = service.ingress) {
          const auto path = way->path.empty() ? "/" : way->path.text;
          const auto [other, fresh] = ways.emplace(way->host.text + path, service.name);
          if (!fresh)
            d_.error(way->where, fmt::format("`{}` and `{}` both have the way in {}{}", other->second,
                                             service.name, way->host.text, path));
        }
        if (service.healthcheck && !service.healthcheck->http.empty() && !service.healthcheck->port &&
            !service.port)
          d_.error(service.healthcheck->where, "an http healthcheck needs a `port`");
        if (service.image.text.find_first_of("/:@.") == std::string::npos && !service.backing)
          name_in(spec_.images, service.image, "image");
      }
    }
    for (const auto& service : spec_.services)
      if (spec_.backing.find(service.name))
        d_.error(service.where, fmt::format("`{}` is both a service and a backing service", service.name));
  }

  void anchor(const Text& name) {
    static const std::set<std::string> phases = {"source", "build", "test", "push", "deploy"};
    if (phases.contains(name.text)) return;
    if (name.text.starts_with("images."))
      return void(name_in(spec_.images, {name.text.substr(7), name.where}, "image"));
    if (name.text.starts_with("tests."))
      return void(name_in(spec_.tests, {name.text.substr(6), name.where}, "test"));
    std::vector<std::string> names(phases.begin(), phases.end());
    for (const auto& step : spec_.steps) {
      if (step.name == name.text) return;
      names.push_back(step.name);
    }
    d_.error(name.where, fmt::format("there is no step `{}`", name.text), suggestion_hint(name.text, names));
  }

  void steps() {
    std::map<std::string, Location> names;
    for (const auto& step : spec_.steps) {
      if (const auto [first, fresh] = names.emplace(step.name, step.where); !fresh && !step.name.empty())
        d_.error(step.where, fmt::format("a second step `{}`", step.name),
                 fmt::format("the first one is at {}", first->second.str()));
      if (step.run.empty() == step.uses.empty())
        d_.error(step.where, fmt::format("step `{}` has to have one of `run` and `uses`", step.name));
      if (!step.run.empty() && !step.with.empty())
        d_.error(step.with_where, "`with` is for `uses`; a `run` step takes `env`");
      if (step.uses.text.starts_with("docker://"))
        d_.error(step.uses.where, "container plugins are not built yet",
                 "take it out: slipway does not ignore what it cannot do");
      if (!step.when.empty() && step.when.text != "always()" && step.when.text != "failure()" &&
          step.when.text != "success()")
        d_.error(step.when.where, fmt::format("the condition `{}` is not built yet", step.when.text),
                 "always(), failure() or success()");
      for (const auto& name : step.after) anchor(name);
      for (const auto& name : step.before) anchor(name);
      for (const auto& name : step.secrets) secret(name);
      values(step.env);
      expressions(step.run);
      expressions(step.with, step.with_where);
    }
  }

  void environments() {
    const auto& names = spec_.environment_names;
    for (const auto& environment : spec_.environments) {
      for (const auto& test : environment.skip_tests) name_in(spec_.tests, test, "test");
      strategies(environment);
      std::set<std::string> seen;
      for (const auto& requirement : environment.requirements) {
        const auto& other = requirement.environment;
        if (std::find(names.begin(), names.end(), other.text) == names.end())
          d_.error(other.where, fmt::format("there is no environment `{}`", other.text),
                   suggestion_hint(other.text, names));
        else if (other.text == environment.name)
          d_.error(other.where, fmt::format("`{}` requires itself", environment.name));
        else if (!seen.insert(other.text).second)
          d_.error(other.where, fmt::format("`{}` is required twice", other.text));
      }
    }
  }

  // One kind of edges at a time: name → the names it waits for, with their places.
  using Edges = std::map<std::string, std::vector<Text>>;
  void cycles_in(const Edges& edges, std::string_view what) {
    std::map<std::string, int> state;  // 1: on the path, 2: done
    std::vector<std::string> path;
    std::function<void(const std::string&)> visit = [&](const std::string& name) {
      state[name] = 1;
      path.push_back(name);
      if (const auto it = edges.find(name); it != edges.end()) {
        for (const auto& next : it->second) {
          if (state[next.text] == 1) {
            std::string circle;
            for (auto at = std::find(path.begin(), path.end(), next.text); at != path.end(); ++at)
              circle += *at + " → ";
            d_.error(next.where, fmt::format("{} wait for each other: {}{}", what, circle, next.text),
                     "take one of them away");
          } else if (state[next.text] == 0) {
            visit(next.text);
          }
        }
      }
      path.pop_back();
      state[name] = 2;
    };
    for (const auto& [name, _] : edges)
      if (state[name] == 0) visit(name);
  }

  void cycles() {
    Edges images, tests, services, environments;
    for (const auto& image : spec_.images)
      for (const auto& [_, other] : image.needs) images[image.name].push_back(other);
    for (const auto& test : spec_.tests) tests[test.name] = test.needs;
    for (const auto* section : {&spec_.backing, &spec_.services})
      for (const auto& service : *section)
        for (const auto& on : service.depends_on) services[service.name].push_back(on.on);
    cycles_in(images, "images");
    cycles_in(tests, "tests");
    for (const auto& environment : spec_.environments)
      for (const auto& requirement : environment.requirements)
        if (requirement.environment.text != environment.name)
          environments[environment.name].push_back(requirement.environment);
    cycles_in(services, "services");
    cycles_in(environments, "environments");
  }

  const Spec& spec_;
  Diagnostics& d_;
};

}  // namespace

void check_references(const Spec& spec, Diagnostics& diagnostics) {
  Check(spec, diagnostics).all();
}

}  // namespace slipway
