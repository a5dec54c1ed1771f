#include "plan/planner.h"

#include "base/error.h"
#include "base/suggest.h"
#include "plan/base_images.h"
#include "plan/gates.h"
#include "plan/graph.h"
#include "plan/service_params.h"
#include "plan/swarm_rules.h"
#include "sys/files.h"

namespace slipway {

namespace {

json output(const std::string& step, const std::string& pointer) {
  return {{"$ref", step}, {"path", pointer}};
}

// A folder's name as one part of a JSON pointer (RFC 6901).
std::string pointer_part(const std::string& name) {
  std::string out;
  for (char c : name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

std::string folder_of(const Text& context) {
  auto path = fs::path(context.text.empty() ? "." : context.text).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

class Planner {
 public:
  Planner(const Spec& spec, const PlanOptions& options) : spec_(spec), options_(options) {}

  Plan plan() {
    const auto* environment = spec_.environments.find(spec_.environment);
    sources();
    images();
    tests();
    pushes(environment);
    if (environment) deployment(*environment);
    user_steps();
    connect_user_steps();
    if (environment) gates(*environment);

    Plan plan;
    plan.name = spec_.name.text;
    plan.keep_runs = spec_.retain.runs;
    plan.environment = spec_.environment;
    plan.spec_file = spec_.file;
    plan.project_dir = spec_.dir;
    select();
    std::set<std::string> used;
    plan.steps = in_order(std::move(drafts_));
    for (const auto& step : plan.steps) used.insert(step.secrets.begin(), step.secrets.end());
    for (const auto& secret : spec_.secrets)
      if (used.contains(secret.name)) plan.secrets.emplace(secret.name, secret_source(secret));
    return plan;
  }

 private:
  static SecretSource secret_source(const SecretSpec& secret) {
    SecretSource out;
    if (!secret.env.empty()) out = {SecretSource::Kind::env, secret.env.text, {}};
    if (!secret.file.empty()) out = {SecretSource::Kind::file, secret.file.text, {}};
    if (!secret.command.empty()) {
      out.kind = SecretSource::Kind::command;
      for (const auto& word : secret.command) out.command.push_back(word.text);
    }
    return out;
  }

  Draft& add(std::string name, std::string phase, std::string uses, std::string action,
             const Location& where) {
    Draft draft;
    draft.step.name = std::move(name);
    draft.step.phase = std::move(phase);
    draft.step.uses = std::move(uses);
    draft.step.action = std::move(action);
    draft.step.where = where;
    drafts_.push_back(std::move(draft));
    return drafts_.back();
  }

  // What a draft's params refer to, it needs; what secrets they name, it may see.
  static void finish(Draft& draft, const std::set<std::string>& secrets) {
    for (auto& name : referenced_steps(draft.step.params)) draft.needs.push_back(std::move(name));
    for (const auto& name : secrets)
      if (std::find(draft.step.secrets.begin(), draft.step.secrets.end(), name) == draft.step.secrets.end())
        draft.step.secrets.push_back(name);
  }

  const Source* source_of(const Image& image) const {
    if (!image.source.empty()) return spec_.sources.find(image.source.text);
    return spec_.sources.size() == 1 ? &spec_.sources.items[0] : nullptr;
  }
  // By us, or by an engine.
  static bool from_dockerfile(const Image& image) {
    return image.uses.empty() || image.uses.text == "dockerfile" || image.uses.text == "docker";
  }

  // The step that `git.sha` means: the image's source, else the only one or the one of this folder.
  std::string git_step(const Image* image = nullptr) const {
    if (image)
      if (const auto* source = source_of(*image)) return "source." + source->name;
    if (spec_.sources.size() == 1) return "source." + spec_.sources.items[0].name;
    for (const auto& source : spec_.sources)
      if (source.path.text == ".") return "source." + source.name;
    return {};
  }

  // Its folder on this machine, for sources that are folders.
  std::optional<fs::path> local_folder(const Image& image) const {
    const auto* source = source_of(image);
    if (!source || source->path.empty()) return std::nullopt;
    return (spec_.dir / source->path.text / folder_of(image.context)).lexically_normal();
  }

  void sources() {
    std::map<std::string, std::set<std::string>> folders;
    for (const auto& image : spec_.images)
      if (const auto* source = source_of(image); source && from_dockerfile(image))
        folders[source->name].insert(folder_of(image.context));
    for (const auto& source : spec_.sources) {
      auto& draft = add("source." + source.name, "source", "git", "checkout", source.where);
      auto& params = draft.step.params;
      if (source.path.empty())
        params["url"] = source.git.text;
      else
        params["path"] = source.path.text;
      if (!source.ref.empty()) params["ref"] = source.ref.text;
      if (source.submodules) params["submodules"] = true;
      if (!folders[source.name].empty()) params["folders"] = folders[source.name];
      std::set<std::string> secrets;
      if (!source.token.empty()) {
        params["token"] = source.token.text;
        secrets.insert(source.token.text);
      }
      finish(draft, secrets);
    }
  }

  // `registry.mirrors` as params; with `used`, only those that answer for one of these references.
  json mirrors(const std::optional<std::vector<std::string>>& used, const std::string& not_for) const {
    json out = json::object();
    for (const auto& mirror : spec_.registry.mirrors) {
      if (!mirror.to.empty()) {
        out[mirror.from] = mirror.to.text;
        continue;
      }
      const auto key = canonical_reference(mirror.from);
      const bool needed = !used || std::any_of(used->begin(), used->end(), [&](const std::string& reference) {
        return reference == key || reference.starts_with(mirror.from + "/") ||
               reference.starts_with(mirror.from + ":");
      });
      // An image that is itself the mirror of something is not built from itself.
      if (needed && mirror.image.text != not_for)
        out[mirror.from] = output("build." + mirror.image.text, "/descriptor");
    }
    return out;
  }

  void images() {
    for (const auto& image : spec_.images) {
      auto& draft = add("build." + image.name, "build", image.uses.empty() ? "dockerfile" : image.uses.text,
                        "build", image.where);
      draft.step.timeout = image.timeout;
      auto& params = draft.step.params;
      std::set<std::string> secrets;
      if (from_dockerfile(image))
        dockerfile_params(params, image);
      else
        params = with_references(image.with, git_step(&image));
      params["name"] = image.name;
      finish(draft, secrets);
    }
  }

  void dockerfile_params(json& params, const Image& image) {
    const auto* source = source_of(image);
    const auto folder = folder_of(image.context);
    const auto step = "source." + source->name;
    params["context"] =
        folder == "." ? output(step, "/path") : json{{"$join", {output(step, "/path"), "/" + folder}}};
    params["context_id"] = output(step, "/trees/" + pointer_part(folder));
    if (!image.dockerfile.empty()) params["dockerfile"] = image.dockerfile.text;
    if (!image.target.empty()) params["target"] = image.target.text;
    json args = json::object();
    for (const auto& [name, value] : image.args) {
      if (!value.secret.empty())
        throw Error(ExitCode::usage,
                    fmt::format("a secret as build argument `{}` would stay in the image", name))
            .at(value.where);
      args[name] = run_text(value.text, step);
    }
    for (const auto& [name, other] : image.needs) args[name] = output("build." + other.text, "/ref");
    if (!args.empty()) params["args"] = std::move(args);
    if (!image.labels.empty()) params["labels"] = image.labels;
    if (!image.network.empty()) params["network"] = image.network;
    if (image.pull || options_.pull) params["pull"] = true;
    if (image.uses.text == "docker") {  // which registries answer, an engine's own configuration says
      if (image.with.contains("host")) params["host"] = image.with["host"];
      return;
    }
    if (spec_.registry.insecure) params["insecure"] = true;
    std::optional<std::vector<std::string>> used;
    if (const auto here = spec_.registry.mirrors.empty() ? std::nullopt : local_folder(image)) {
      const auto text =
          read_file_if_exists(*here / (image.dockerfile.empty() ? "Dockerfile" : image.dockerfile.text));
      if (text) used = base_images(*text);
    }
    if (auto map = mirrors(used, image.name); !map.empty()) params["mirrors"] = std::move(map);
  }

  // `with` as it stands, its texts with `${{ }}` made references.
  static json with_references(const json& with, const std::string& git) {
    if (with.is_string()) return run_text(with.get<std::string>(), git);
    json out = with;
    if (with.is_structured())
      for (auto& value : out) value = with_references(value, git);
    return out;
  }

  // The image of a service or test: built here, answered by a mirror, or pulled by a step of its own.
  json image_param(const Text& image) {
    if (spec_.images.find(image.text)) return output("build." + image.text, "/descriptor");
    const auto reference = canonical_reference(image.text);
    for (const auto& mirror : spec_.registry.mirrors)
      if (!mirror.image.empty() && canonical_reference(mirror.from) == reference)
        return output("build." + mirror.image.text, "/descriptor");
    return output(pull_step(image, reference), "/descriptor");
  }

  std::string pull_step(const Text& image, const std::string& reference) {
    std::string name = "pull.";
    for (char c : image.text)
      name += std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' ? c : '-';
    for (const auto& draft : drafts_)
      if (draft.step.name == name) return name;
    auto& draft = add(name, "build", "registry", "pull", image.where);
    draft.step.params = {{"reference", reference}};
    if (options_.pull) draft.step.params["pull"] = true;
    if (spec_.registry.insecure) draft.step.params["insecure"] = true;
    json prefixes = json::object();
    for (const auto& mirror : spec_.registry.mirrors)
      if (!mirror.to.empty()) prefixes[mirror.from] = mirror.to.text;
    if (!prefixes.empty()) draft.step.params["mirrors"] = std::move(prefixes);
    return name;
  }

  // Backing services that `names` need, with what those need themselves.
  std::vector<const Service*> backing_closure(std::vector<std::string> names) const {
    std::vector<const Service*> out;
    while (!names.empty()) {
      const auto* service = spec_.backing.find(names.back());
      names.pop_back();
      if (!service || std::find(out.begin(), out.end(), service) != out.end()) continue;
      out.push_back(service);
      for (const auto& on : service->depends_on) names.push_back(on.on.text);
    }
    return out;
  }

  void tests() {
    for (const auto& test : spec_.tests) {
      json params = {{"image", image_param(test.image)}};
      std::set<std::string> secrets;
      if (test.run_is_list) {
        for (const auto& word : test.run) params["run"].push_back(run_text(word, git_step()));
      } else {
        params["run"] = run_text(test.run.at(0), git_step());
      }
      put_values(params, test.env, "env", "secret_env", git_step(), secrets);
      if (!test.workdir.empty()) params["workdir"] = test.workdir;
      if (!test.user.empty()) params["user"] = test.user;
      if (!test.network.empty()) params["network"] = test.network;
      std::vector<std::string> names;
      for (const auto& backing : test.services) names.push_back(backing.text);
      for (const auto* service : backing_closure(std::move(names)))
        params["services"][service->name] =
            service_params(*service, image_param(service->image), false, secrets);
      auto& draft = add("test." + test.name, "test", "test", "run", test.where);
      draft.step.params = std::move(params);
      draft.step.timeout = test.timeout;
      draft.step.retries = retries(test.retries);
      draft.step.cache = test.cache;
      for (const auto& other : test.needs) draft.needs.push_back("test." + other.text);
      finish(draft, secrets);
    }
  }

  static Retries retries(const RetrySpec& rule) {
    return {rule.max, std::find(rule.on.begin(), rule.on.end(), "failure") == rule.on.end()};
  }

  static bool is_cluster(const Environment* environment) {
    return environment && environment->target.kind.text != "local";
  }

  // The image of this spec that a service's `image` means: by name, or by the reference it is the mirror of.
  const Image* built_image(const Text& image) const {
    if (const auto* own = spec_.images.find(image.text)) return own;
    const auto reference = canonical_reference(image.text);
    for (const auto& mirror : spec_.registry.mirrors)
      if (!mirror.image.empty() && canonical_reference(mirror.from) == reference)
        return spec_.images.find(mirror.image.text);
    return nullptr;
  }

  // Services that are rolled out, with the backing services they need.
  std::vector<const Service*> rolled_out() const {
    std::vector<const Service*> out;
    std::vector<std::string> needed;
    for (const auto& service : spec_.services) {
      out.push_back(&service);
      for (const auto& on : service.depends_on) needed.push_back(on.on.text);
    }
    for (const auto* backing : backing_closure(std::move(needed))) out.push_back(backing);
    return out;
  }

  bool is_pushed(const Image& image, bool cluster) const {
    if (image.push) return *image.push;
    if (cluster) {
      const auto services = rolled_out();
      return std::any_of(services.begin(), services.end(),
                         [&](const Service* service) { return built_image(service->image) == &image; });
    }
    return std::any_of(spec_.services.begin(), spec_.services.end(),
                       [&](const Service& service) { return service.image.text == image.name; });
  }

  std::vector<std::string> gating_tests(const Environment* environment) const {
    std::vector<std::string> out;
    for (const auto& test : spec_.tests) {
      const bool skipped =
          environment && std::any_of(environment->skip_tests.begin(), environment->skip_tests.end(),
                                     [&](const Text& name) { return name.text == test.name; });
      if (!skipped) out.push_back("test." + test.name);
    }
    return out;
  }

  // The local target needs no registry: there, images are pushed only when asked for.
  void pushes(const Environment* environment) {
    if (spec_.registry.url.empty()) return;
    const bool local = environment && environment->target.kind.text == "local";
    if (local && !options_.phases.contains("push")) return;
    for (const auto& image : spec_.images) {
      if (!is_pushed(image, is_cluster(environment))) continue;
      auto& draft = add("push." + image.name, "push", "registry", "push", image.where);
      auto& params = draft.step.params;
      std::set<std::string> secrets;
      params["image"] = output("build." + image.name, "/descriptor");
      params["repository"] = spec_.registry.url.text + "/" + image.name;
      params["tags"] = json::array();
      for (const auto& tag : image.tags) params["tags"].push_back(run_text(tag.text, git_step(&image)));
      if (spec_.registry.insecure) params["insecure"] = true;
      if (!spec_.registry.credentials.empty()) {
        params["credentials"] = spec_.registry.credentials.text;
        secrets.insert(spec_.registry.credentials.text);
      }
      draft.needs = gating_tests(environment);
      finish(draft, secrets);
    }
  }

  void deployment(const Environment& environment) {
    if (spec_.services.empty()) return;
    json services = json::object();
    std::set<std::string> secrets;
    for (const auto* service : rolled_out()) {
      auto& params = services[service->name] =
          service_params(*service, image_param(service->image), true, secrets);
      if (is_cluster(&environment)) {
        params["reference"] = pullable(*service);
        auto strategy = strategy_params(environment, *service);
        if (!strategy.is_null() && environment.target.kind.text == "kubernetes")
          params["strategy"] = std::move(strategy);  // elsewhere `rolling` is the only one, and needs no word
      } else {
        refuse_cluster_keys(*service);
      }
    }
    const auto& kind = environment.target.kind.text;
    if (kind == "swarm") check_swarm(rolled_out(), environment.target);
    auto& draft = add("deploy." + environment.name, "deploy", kind, "apply", environment.where);
    draft.step.params = {
        {"project", spec_.name.text}, {"environment", environment.name}, {"services", std::move(services)}};
    if (auto target = target_params(environment.target); !target.empty())
      draft.step.params["target"] = std::move(target);
    if (kind == "swarm" && !spec_.registry.credentials.empty()) {  // its nodes log in with ours
      draft.step.params["credentials"] = spec_.registry.credentials.text;
      secrets.insert(spec_.registry.credentials.text);
    }
    draft.step.timeout = environment.timeout;
    draft.needs = gating_tests(&environment);
    for (const auto& other : drafts_)
      if (other.step.phase == "push") draft.needs.push_back(other.step.name);
    finish(draft, secrets);
  }

  // What a cluster does for a service and this machine does not do yet is not passed over in silence.
  static void refuse_cluster_keys(const Service& service) {
    const auto refuse = [&](const char* key, const Location& where) {
      throw Error(ExitCode::usage,
                  fmt::format("`{}` has `{}`, which this machine does not do yet", service.name, key))
          .at(where)
          .hint("give it to the environments of clusters: `overrides: {services: {NAME: {…}}}`");
    };
    if (service.resources) refuse("resources", *service.resources);
    if (service.before) refuse("before", service.before->where);
    if (service.after) refuse("after", service.after->where);
    if (service.ingress) refuse("ingress", service.ingress->where);
    if (service.manifests) refuse("manifests", service.manifests->where);
    if (service.autoscale) refuse("autoscale", service.autoscale->where);
    if (service.service_account) refuse("service_account", service.service_account->where);
    constexpr int kMost = 100;
    if (service.replicas > kMost && service.replicas_where)
      throw Error(ExitCode::usage, fmt::format("this machine runs at most {} replicas of a service, not {}",
                                               kMost, service.replicas))
          .at(*service.replicas_where);
  }

  // Where the nodes of a cluster pull a service's image from.
  json pullable(const Service& service) {
    const auto* image = built_image(service.image);
    if (!image) return output(pull_step(service.image, canonical_reference(service.image.text)), "/ref");
    if (spec_.registry.url.empty())
      throw Error(ExitCode::usage,
                  fmt::format("`{}` runs on a cluster, and there is no registry its nodes could pull from",
                              service.name))
          .at(service.where)
          .hint("say where under `registry`: `url: registry.example.com/shop`");
    if (image->push && !*image->push)
      throw Error(ExitCode::usage, fmt::format("the image `{}` is not pushed, and `{}` runs on a cluster",
                                               image->name, service.name))
          .at(image->where)
          .hint("take `push: false` out");
    return output("push." + image->name, "/ref");
  }

  void user_steps() {
    for (const auto& step : spec_.steps) {
      auto& draft = add(step.name, "step", step.run.empty() ? step.uses.text : "shell", "run", step.where);
      auto& params = draft.step.params;
      std::set<std::string> secrets;
      if (!step.run.empty()) {
        params["run"] = run_text(step.run.text, git_step());
        if (!step.shell.empty()) params["shell"] = step.shell;
        if (!step.cwd.empty()) params["cwd"] = step.cwd;
        if (!step.inputs.empty()) params["inputs"] = step.inputs;
        put_values(params, step.env, "env", "secret_env", git_step(), secrets);
      } else {
        params = with_references(step.with, git_step());
        draft.step.action = step.with.value("action", std::string());
        params.erase("action");
        for (const auto& [name, value] : step.env) draft.step.env[name] = value.text;
      }
      for (const auto& name : step.secrets) secrets.insert(name.text);
      draft.step.timeout = step.timeout;
      draft.step.retries = retries(step.retries);
      // Commands may do anything: only those that say what they read are not run again.
      draft.step.cache = step.cache && (step.run.empty() || !step.inputs.empty());
      draft.step.continue_on_error = step.continue_on_error;
      if (step.when.text == "always()") draft.step.when = When::always;
      if (step.when.text == "failure()") draft.step.when = When::failure;
      finish(draft, secrets);
    }
  }

  // The steps that an `after` or `before` means.
  std::vector<std::string> anchored(const std::string& name) const {
    if (name.starts_with("images.")) return {"build." + name.substr(7)};
    if (name.starts_with("tests.")) return {"test." + name.substr(6)};
    std::vector<std::string> out;
    for (const auto& draft : drafts_)
      if (draft.step.phase == name) out.push_back(draft.step.name);
    if (out.empty()) out.push_back(name);
    return out;
  }

  void connect_user_steps() {
    std::unordered_map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < drafts_.size(); ++i) index.emplace(drafts_[i].step.name, i);
    for (const auto& step : spec_.steps) {
      auto& own = drafts_[index.at(step.name)];
      for (const auto& after : step.after)
        for (auto& name : anchored(after.text)) own.needs.push_back(std::move(name));
      for (const auto& before : step.before)
        for (const auto& name : anchored(before.text))
          if (const auto it = index.find(name); it != index.end())
            drafts_[it->second].needs.push_back(step.name);
    }
  }

  // Last, so that they wait for the user's steps before the rollout too.
  void gates(const Environment& environment) {
    const auto deploy = std::find_if(drafts_.begin(), drafts_.end(), [&](const Draft& draft) {
      return draft.step.name == "deploy." + environment.name;
    });
    if (deploy == drafts_.end()) return;
    const auto at = deploy - drafts_.begin();
    auto before = gates_before(*deploy, spec_, environment);
    for (const auto& draft : before) deploy->needs.push_back(draft.step.name);
    drafts_.insert(drafts_.begin() + at, std::make_move_iterator(before.begin()),
                   std::make_move_iterator(before.end()));
  }

  // The names of steps that a word of the command line means.
  std::vector<std::string> meant_by(const std::string& word) const {
    std::vector<std::string> out, known;
    for (const auto& draft : drafts_) {
      const auto& name = draft.step.name;
      const auto dot = name.find('.');
      const auto& phase = draft.step.phase;
      const bool selectable = options_.phases.empty() || options_.phases.contains(phase) || phase == "step";
      if (name == word ||
          (dot != std::string::npos && name.substr(dot + 1) == word && phase != "source" && selectable))
        out.push_back(name);
      known.push_back(dot == std::string::npos ? name : name.substr(dot + 1));
    }
    if (out.empty())
      throw Error(ExitCode::usage, fmt::format("there is no step `{}` here", word))
          .hint(suggestion_hint(word, known));
    return out;
  }

  void select() {
    std::set<std::string> wanted;
    for (const auto& word : options_.only)
      for (auto& name : meant_by(word)) wanted.insert(std::move(name));
    for (const auto& draft : drafts_) {
      const auto& phase = draft.step.phase;
      if (!options_.only.empty()) break;
      // Everything but sources that nothing uses.
      if (options_.phases.empty() ? phase != "source" : options_.phases.contains(phase))
        wanted.insert(draft.step.name);
    }
    const auto kept = closure(drafts_, wanted);
    std::erase_if(drafts_, [&](const Draft& draft) { return !kept.contains(draft.step.name); });
    if (drafts_.empty()) nothing_to_do();
  }

  [[noreturn]] void nothing_to_do() const {
    const auto& phases = options_.phases;
    if (phases.contains("push") && spec_.registry.url.empty())
      throw Error(ExitCode::usage, "nothing to push: the spec names no registry")
          .hint("say where under `registry`: `url: registry.example.com/shop`");
    if (phases.contains("deploy") && spec_.services.empty())
      throw Error(ExitCode::usage, "nothing to roll out: the spec has no `services`");
    if (phases.contains("deploy"))
      throw Error(ExitCode::usage, "no environment to roll out to")
          .hint("add one under `environments`, or name one with --env");
    throw Error(ExitCode::usage, "nothing to do: the spec has none of these steps")
        .hint("`images`, `tests`, `services` and `steps` make steps");
  }

  const Spec& spec_;
  const PlanOptions& options_;
  std::vector<Draft> drafts_;
};

}  // namespace

Plan make_plan(const Spec& spec, const PlanOptions& options) {
  return Planner(spec, options).plan();
}

}  // namespace slipway
