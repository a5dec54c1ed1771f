#include "plugins/test/room.h"

#include "base/clock.h"
#include "sys/files.h"

namespace slipway {

namespace {

constexpr const char* kTest = "test";                 // the test's own name in the network
constexpr const char* kReports = "/slipway/reports";  // $SLIPWAY_REPORTS inside
constexpr std::size_t kShownLines = 20;

std::vector<std::string> with_variables(std::vector<std::string> env,
                                        const std::map<std::string, std::string>& more) {
  for (const auto& [name, value] : more) {
    std::erase_if(env, [&](const std::string& entry) { return entry.starts_with(name + "="); });
    env.push_back(name + "=" + value);
  }
  return env;
}

const std::string& secret_value(const Invocation& invocation, const std::string& name) {
  const auto it = invocation.secrets.find(name);
  if (it == invocation.secrets.end())
    throw Error(ExitCode::usage, fmt::format("the secret `{}` was not given to this step", name));
  return it->second.reveal();
}

// The texts of `plain` and the values of the secrets that `secret` names.
std::map<std::string, std::string> variables_of(const json& params, const char* plain, const char* secret,
                                                const Invocation& invocation) {
  std::map<std::string, std::string> out;
  if (const auto it = params.find(plain); it != params.end())
    for (const auto& [name, value] : it->items()) out[name] = value.get<std::string>();
  if (const auto it = params.find(secret); it != params.end())
    for (const auto& [name, which] : it->items())
      out[name] = secret_value(invocation, which.get<std::string>());
  return out;
}

std::string lines_of(const oci::BackgroundSandbox& sandbox) {
  std::string out;
  for (const auto& line : sandbox.last_lines(kShownLines)) out += line + "\n";
  return out;
}

// HEALTHCHECK of the image, in a Service's words; null when it has none.
json image_healthcheck(const oci::ImageConfig& config) {
  if (!config.healthcheck || config.healthcheck->test.empty()) return nullptr;
  const auto& from = *config.healthcheck;
  json out = {{"test", from.test}};
  const auto put = [&](const char* name, std::int64_t ns) {
    if (ns > 0) out[name] = ns / 1'000'000;
  };
  put("interval_ms", from.interval_ns);
  put("timeout_ms", from.timeout_ns);
  put("start_period_ms", from.start_period_ns);
  if (from.retries > 0) out["retries"] = from.retries;
  return out;
}

}  // namespace

TestRoom::TestRoom(const Invocation& invocation, Context& context)
    : invocation_(invocation),
      context_(context),
      runtime_(oci::Runtime::probe(invocation.cache_dir)),
      store_(oci::open_user_store(invocation.cache_dir)),
      snapshots_(invocation.cache_dir),
      scratch_(invocation.cache_dir, "test") {
  const auto& params = invocation.params;
  const bool has_services = params.contains("services") && !params["services"].empty();
  if (params.value("network", std::string()) == "none" && !has_services) return;
  network_.emplace(invocation.cache_dir);
  std::vector<std::string> names = {kTest};
  if (has_services)
    for (const auto& [name, _] : params["services"].items()) names.push_back(name);
  for (const auto& name : names) {
    attached_[name] = network_->network().attach(name);
    hosts_[name] = attached_[name].address;
  }
}

// Root, environment, user and folder as the image says.
oci::SandboxSpec TestRoom::sandbox_of(const json& image, const std::string& name) {
  const auto manifest = store_.manifest(oci::descriptor_from_json(image));
  const auto config = store_.config(manifest);
  oci::SandboxSpec spec;
  const auto writes = scratch_.path() / name;
  make_dirs(writes / "upper");
  make_dirs(writes / "work");
  spec.overlay =
      oci::Overlay{snapshots_.unpacked(store_, manifest, config), writes / "upper", writes / "work"};
  spec.env = config.env;
  spec.cwd = config.working_dir.empty() ? "/" : config.working_dir;
  spec.user = config.user;
  spec.args = config.entrypoint;
  spec.args.insert(spec.args.end(), config.cmd.begin(), config.cmd.end());
  spec.hostname = name;
  if (const auto it = attached_.find(name); it != attached_.end()) {
    spec.network = oci::SandboxSpec::Network::path;
    spec.netns = it->second.netns;
    spec.hosts = hosts_;
  } else {
    spec.network = oci::SandboxSpec::Network::none;
  }
  return spec;
}

// What others depend on comes first; the planner refuses circles.
std::vector<std::string> TestRoom::order() const {
  std::vector<std::string> out;
  const auto& services = invocation_.params["services"];
  std::function<void(const std::string&)> visit = [&](const std::string& name) {
    if (!services.contains(name) || std::find(out.begin(), out.end(), name) != out.end()) return;
    if (services[name].contains("depends_on"))
      for (const auto& [other, _] : services[name]["depends_on"].items())
        if (other != name) visit(other);
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  };
  for (const auto& [name, _] : services.items()) visit(name);
  return out;
}

void TestRoom::start(const std::string& name, const json& service) {
  auto spec = sandbox_of(service.at("image"), name);
  auto& running = running_[name];
  const auto config = store_.config(store_.manifest(oci::descriptor_from_json(service.at("image"))));
  if (service.contains("command")) {
    // As compose has it: it stands for the image's CMD, the ENTRYPOINT stays.
    spec.args = config.entrypoint;
    for (const auto& word : service["command"]) spec.args.push_back(word.get<std::string>());
  }
  if (spec.args.empty())
    throw Error(ExitCode::usage,
                fmt::format("neither the image of `{}` nor the service names a command", name))
        .hint("add `command`");
  auto checked = service;
  if (!service.contains("healthcheck")) {
    if (auto own = image_healthcheck(config); !own.is_null())
      checked["healthcheck"] = std::move(own);
    else if (service.contains("port"))
      checked["healthcheck"] = {{"tcp", service["port"]}};
  }
  running.check = oci::Healthcheck::of_service(checked);
  spec.env =
      with_variables(spec.env, variables_of(service, "environment", "secret_environment", invocation_));
  if (const auto user = service.value("user", std::string()); !user.empty()) spec.user = user;
  if (const auto workdir = service.value("workdir", std::string()); !workdir.empty()) spec.cwd = workdir;
  if (service.contains("tmpfs")) spec.tmpfs = service["tmpfs"].get<std::vector<std::string>>();
  for (const auto& [path, content] : variables_of(service, "files", "secret_files", invocation_)) {
    const auto folder = scratch_.path() / name / "files";
    make_dirs(folder, 0700);  // nobody outside gets past it; inside, its user may read the files
    const auto file = folder / std::to_string(spec.mounts.size());
    write_file_atomic(file, content, 0444);
    spec.mounts.push_back({file.string(), path, true});
  }
  context_.progress({fmt::format("starting {}", name), 0, 0, ""});
  running.address = hosts_.at(name);
  running.sandbox =
      std::make_unique<oci::BackgroundSandbox>(runtime_, std::move(spec), invocation_.cache_dir);
}

std::optional<TestRoom::Failed> TestRoom::wait_for(const std::string& name) {
  auto& running = running_.at(name);
  const auto& check = running.check;
  running.sandbox->wait_started(context_.stop());
  if (!check && !running.sandbox->ended()) return std::nullopt;
  if (!check)
    return Failed{fmt::format("backing service `{}` does not run: {}", name, *running.sandbox->ended()),
                  lines_of(*running.sandbox)};
  context_.progress({fmt::format("waiting for {} ({})", name, check->str()), 0, 0, ""});
  oci::ProbeTarget target;
  target.address = running.address;
  target.run_inside = [&](const std::vector<std::string>& argv, Millis timeout, std::stop_token stop) {
    return running.sandbox->exec(argv, timeout, std::move(stop));
  };
  const auto result = oci::wait_healthy(
      *check, target, [&] { return running.sandbox->ended(); }, context_.stop());
  if (result.healthy) return std::nullopt;
  return Failed{fmt::format("backing service `{}` does not get healthy: {}", name,
                            running.sandbox->ended() ? result.last : check->str() + ": " + result.last),
                lines_of(*running.sandbox)};
}

std::string TestRoom::casualties() const {
  std::string out;
  for (const auto& [name, running] : running_)
    if (const auto why = running.sandbox->ended())
      out += fmt::format("backing service `{}`: {}\n{}", name, *why, lines_of(*running.sandbox));
  return out;
}

std::optional<TestRoom::Failed> TestRoom::start_services() {
  if (!invocation_.params.contains("services")) return std::nullopt;
  const auto& services = invocation_.params["services"];
  const auto names = order();
  std::set<std::string> healthy;
  const auto wait = [&](const std::string& name) -> std::optional<Failed> {
    if (!healthy.insert(name).second) return std::nullopt;
    return wait_for(name);
  };
  for (const auto& name : names) {
    if (services[name].contains("depends_on"))
      for (const auto& [other, until] : services[name]["depends_on"].items())
        if (services.contains(other) && until == "healthy")
          if (auto failed = wait(other)) return failed;
    start(name, services[name]);
  }
  for (const auto& name : names)
    if (auto failed = wait(name)) return failed;
  return std::nullopt;
}

Finished TestRoom::run(const OnOutput& on_output, const WaitOptions& options) {
  const auto& params = invocation_.params;
  auto spec = sandbox_of(params.at("image"), kTest);
  const auto& command = params.at("run");
  if (command.is_string())
    spec.args = {"/bin/sh", "-ec", command.get<std::string>()};
  else
    spec.args = command.get<std::vector<std::string>>();
  auto variables = invocation_.env;
  for (auto& [name, text] : variables_of(params, "env", "secret_env", invocation_)) variables[name] = text;
  variables["SLIPWAY_REPORTS"] = kReports;
  spec.env = with_variables(spec.env, variables);
  if (const auto user = params.value("user", std::string()); !user.empty()) spec.user = user;
  if (const auto workdir = params.value("workdir", std::string()); !workdir.empty()) spec.cwd = workdir;
  make_dirs(reports());
  fs::permissions(reports(), fs::perms(01777));  // whatever user the image runs as
  spec.mounts.push_back({reports().string(), kReports, false});
  context_.progress({"running", 0, 0, ""});
  return runtime_.run(spec, on_output, options);
}

}  // namespace slipway
