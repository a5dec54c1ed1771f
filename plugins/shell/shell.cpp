#include "plugins/shell/shell.h"

#include <sys/stat.h>

#include "base/glob.h"
#include "sys/digest.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway {

namespace {

json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

PluginInfo describe() {
  PluginInfo info;
  info.name = "shell";
  info.version = "1";
  info.summary = "Runs commands in a shell of this machine.";
  ActionInfo run;
  run.name = "run";
  run.summary = "Runs `run`; with `inputs`, only when one of those files has changed.";
  run.params = {
      {"type", "object"},
      {"properties",
       {{"run", text("the commands")},
        {"shell",
         text("sh (default), bash, or a program and its flags that takes the text as last argument")},
        {"cwd", text("folder, relative to the project")},
        {"inputs", {{"type", "array"}, {"items", {{"type", "string"}}}}},
        {"env", {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}},
        {"secret_env", {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}}}},
      {"required", {"run"}},
      {"examples", {{{"run", "true"}}}},
      {"additionalProperties", false}};
  run.outputs = {{"type", "object"}};
  run.secrets = {"*"};
  run.cacheable = true;
  run.slow_fingerprint = true;
  info.actions.push_back(std::move(run));
  return info;
}

std::vector<std::string> argv_of(const json& params) {
  const auto commands = params.at("run").get<std::string>();
  const auto shell = params.value("shell", std::string("sh"));
  if (shell == "sh" || shell == "/bin/sh") return {"/bin/sh", "-ec", commands};
  if (shell == "bash" || shell == "/bin/bash") return {shell, "-eo", "pipefail", "-c", commands};
  std::vector<std::string> argv;
  for (std::size_t from = 0; (from = shell.find_first_not_of(' ', from)) != std::string::npos;) {
    const auto to = std::min(shell.find(' ', from), shell.size());
    argv.push_back(shell.substr(from, to - from));
    from = to;
  }
  if (argv.empty()) throw Error(ExitCode::usage, "the `shell` of this step is empty");
  argv.push_back(commands);
  return argv;
}

fs::path folder_of(const Invocation& invocation) {
  const auto cwd = invocation.params.value("cwd", std::string("."));
  const auto inside = path_inside("/", cwd);
  if (!inside)
    throw Error(ExitCode::usage, fmt::format("`{}` leads out of the project", cwd))
        .hint("`cwd` is a folder of the project");
  const auto folder = (invocation.project_dir / cwd).lexically_normal();
  std::error_code ec;
  if (!fs::is_directory(folder, ec))
    throw Error(ExitCode::usage, fmt::format("the folder `{}` of this step is not there", cwd));
  return folder;
}

// The commands' first line, short: for messages.
std::string shown(const std::string& commands) {
  auto line = commands.substr(0, commands.find('\n'));
  if (line.size() > 60) line = line.substr(0, 57) + "…";
  return line +
         (commands.find('\n') + 1 < commands.size() && commands.find('\n') != std::string::npos ? " …" : "");
}

std::string content_id(const fs::path& path) {
  std::error_code ec;
  if (fs::is_symlink(path, ec)) return "link " + fs::read_symlink(path).string();
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "gone";
  if (!S_ISREG(info.st_mode)) return "other";
  return (info.st_mode & 0111 ? "x " : "- ") + Digest::of_file(path).hex();
}

// Every file that a pattern means, with its content; sorted by path.
json inputs_of(const Invocation& invocation) {
  std::map<std::string, std::string> found;
  for (const auto& item : invocation.params.at("inputs")) {
    const auto pattern = item.get<std::string>();
    if (!path_inside("/", pattern) || pattern.starts_with('/'))
      throw Error(ExitCode::usage, fmt::format("the input `{}` leads out of the project", pattern));
    const auto root = glob_root(pattern);
    const auto start = invocation.project_dir / root;
    std::error_code ec;
    std::size_t before = found.size();
    if (!fs::is_directory(start, ec)) {
      if (fs::exists(fs::symlink_status(start, ec))) found[root] = content_id(start);
    } else {
      for (fs::recursive_directory_iterator it(start, ec), end; !ec && it != end; it.increment(ec)) {
        if (it->is_directory() && !it->is_symlink()) {
          if (it->path().filename() == ".git") it.disable_recursion_pending();
          continue;
        }
        const auto path = it->path().lexically_relative(invocation.project_dir).string();
        if (glob_match(pattern, path)) found[path] = content_id(it->path());
      }
    }
    if (found.size() == before && std::none_of(found.begin(), found.end(), [&](const auto& one) {
          return glob_match(pattern, one.first);
        }))
      throw Error(ExitCode::usage, fmt::format("no file matches the input `{}`", pattern));
  }
  return found;
}

class Shell : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  json fingerprint(const Invocation& invocation, Context&) override {
    return invocation.params.contains("inputs") ? inputs_of(invocation) : json(nullptr);
  }

  Outcome run(const Invocation& invocation, Context& context) override {
    const auto& params = invocation.params;
    Command command;
    command.argv = argv_of(params);
    command.cwd = folder_of(invocation);
    command.env = invocation.env;
    if (params.contains("env"))
      for (const auto& [name, value] : params["env"].items()) command.env[name] = value.get<std::string>();
    if (params.contains("secret_env"))
      for (const auto& [name, secret] : params["secret_env"].items())
        command.env[name] = invocation.secrets.at(secret.get<std::string>()).reveal();
    command.env["SLIPWAY_REPORTS"] = invocation.reports_dir.string();
    command.env["SLIPWAY_RUN"] = invocation.run_id;
    command.env["SLIPWAY_STEP"] = invocation.step;
    WaitOptions options;
    options.stop = context.stop();
    const auto finished = run_process(
        command, [&](Stream stream, std::string_view bytes) { context.log(bytes, stream == Stream::err); },
        options);
    if (finished.cancelled) throw Error(ExitCode::interrupted, "stopped");
    if (finished.status.ok()) return Outcome::success();
    return Outcome::failed(
        fmt::format("{} in `{}`", finished.status.str(), shown(params.at("run").get<std::string>())));
  }

 private:
  PluginInfo info_ = describe();
};

}  // namespace

std::unique_ptr<Plugin> make_shell_plugin() {
  return std::make_unique<Shell>();
}

}  // namespace slipway
