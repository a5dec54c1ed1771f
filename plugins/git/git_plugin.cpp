#include "plugins/git/git_plugin.h"

#include "sys/git.h"

namespace slipway {

namespace {

const PluginInfo& git_info() {
  static const PluginInfo info = [] {
    ActionInfo checkout;
    checkout.name = "checkout";
    checkout.summary = "A folder of this machine as it stands, or a commit of a git repository";
    checkout.params = json::parse(R"({
      "type": "object", "additionalProperties": false,
      "properties": {
        "path": {"type": "string", "description": "a folder, relative to the project"},
        "url": {"type": "string", "description": "a git repository: https, ssh, git, file, or a path"},
        "ref": {"type": "string", "description": "branch, tag or commit; default: the remote's HEAD"},
        "submodules": {"type": "boolean"},
        "folders": {"type": "array", "items": {"type": "string"}, "description": "whose ids are asked for"},
        "token": {"type": "string", "description": "the secret that logs in over HTTPS"}
      },
      "examples": [{"path": "."}]})");
    checkout.outputs = json::parse(R"({
      "type": "object", "required": ["path", "commit", "branch", "dirty", "trees"],
      "properties": {
        "path": {"type": "string", "x-slipway-exists": "path"},
        "commit": {"type": "string"}, "commit_short": {"type": "string"},
        "branch": {"type": "string"},
        "dirty": {"type": "integer", "description": "files that differ from the commit"},
        "trees": {"type": "object", "additionalProperties": {"type": "string"}}
      }})");
    checkout.secrets = {"*"};
    checkout.can_preview = true;
    PluginInfo out;
    out.name = "git";
    out.version = "1";
    out.summary = "Sources from git";
    out.actions = {std::move(checkout)};
    return out;
  }();
  return info;
}

class GitPlugin : public Plugin {
 public:
  const PluginInfo& info() const override { return git_info(); }

  // Not cacheable: what a folder or a branch is now is the question itself, and the answer is quick.
  Outcome run(const Invocation& invocation, Context& context) override {
    const auto& params = invocation.params;
    if (params.contains("path") == params.contains("url"))
      throw Error(ExitCode::usage, "a source needs either `path` or `url`");
    const auto folders = params.value("folders", std::vector<std::string>{});
    const auto ref = params.value("ref", "");
    if (params.contains("path") && ref.empty()) {
      const auto path = (invocation.project_dir / params["path"].get<std::string>()).lexically_normal();
      return outcome(git::read_folder(path, folders, invocation.cache_dir / "git" / "seen"), context);
    }
    git::CheckoutOptions options;
    options.ref = ref;
    options.folders = folders;
    options.submodules = params.value("submodules", false);
    options.base_dir = invocation.project_dir;
    options.cache_dir = invocation.cache_dir;
    options.stop = context.stop();
    options.progress = [&](const std::string& text, std::int64_t current, std::int64_t total,
                           const char* unit) {
      context.progress({text, current, total, unit});
    };
    if (params.contains("path")) {
      // A folder of this machine, but at some commit: its own repository is the remote.
      const auto repository =
          git::find_repository(invocation.project_dir / params["path"].get<std::string>());
      options.url = repository.top;
      options.below = repository.below;
    } else {
      options.url = params["url"].get<std::string>();
    }
    if (const auto name = params.value("token", ""); !name.empty()) {
      const auto secret = invocation.secrets.find(name);
      if (secret == invocation.secrets.end())
        throw Error(ExitCode::usage, fmt::format("the secret `{}` was not given to this step", name));
      options.token = secret->second;
    }
    return outcome(git::checkout(options), context);
  }

  // A folder is looked at as in a run; a remote is not asked.
  json preview(const Invocation& invocation, Context& context) override {
    const auto& params = invocation.params;
    if (params.contains("path") && params.value("ref", "").empty())
      return {{"outputs", run(invocation, context).outputs}, {"changes", false}};
    const auto ref = params.value("ref", "");
    return {{"lines",
             {fmt::format("asks {} for {}", params.value("url", params.value("path", "")),
                          ref.empty() ? "its HEAD" : ref)}}};
  }

 private:
  static Outcome outcome(const git::Snapshot& snapshot, Context& context) {
    const auto commit_short = snapshot.commit.substr(0, 7);
    if (snapshot.dirty > 0)
      context.log(fmt::format("{}{} file{} changed since the commit\n",
                              commit_short.empty() ? "" : commit_short + ": ", snapshot.dirty,
                              snapshot.dirty == 1 ? "" : "s"));
    return Outcome::success({{"path", snapshot.path.string()},
                             {"commit", snapshot.commit},
                             {"commit_short", commit_short},
                             {"branch", snapshot.branch},
                             {"dirty", snapshot.dirty},
                             {"trees", snapshot.trees}});
  }
};

}  // namespace

std::unique_ptr<Plugin> make_git_plugin() {
  return std::make_unique<GitPlugin>();
}

}  // namespace slipway
