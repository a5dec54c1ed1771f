// RUN of a stage: the sandbox it gets, and the layer of what it changed.
#include "base/clock.h"
#include "base/error.h"
#include "oci/pack.h"
#include "oci/scratch.h"
#include "plugins/dockerfile/stage_builder.h"
#include "sys/files.h"

namespace slipway::dockerfile {

namespace {

constexpr std::size_t kept_lines = 20;

// The last lines of an output, for the message of a failure.
class Tail {
 public:
  void add(std::string_view text) {
    text_ += text;
    if (text_.size() > 64 * 1024) text_.erase(0, text_.size() - 32 * 1024);
  }
  std::string lines() const {
    auto from = text_.size();
    if (text_.ends_with('\n')) --from;
    for (std::size_t i = 0; i < kept_lines && from != std::string::npos; ++i)
      from = from == 0 ? std::string::npos : text_.rfind('\n', from - 1);
    return text_.substr(from == std::string::npos ? 0 : from + 1);
  }

 private:
  std::string text_;
};

// What is run for a RUN with heredocs: the only one is a script of its own; with a command before it, the
// shell reads all as it is written.
struct Script {
  std::vector<std::string> args;
  std::string file;  // content of the script that begins with "#!"; run at `place`
  std::string place;
};

Script script_of(const StageState& state, const Instruction& made) {
  Script out;
  if (made.heredocs.empty()) {
    out.args = state.command(made);
    return out;
  }
  const auto& first = made.heredocs.front();
  const bool alone = made.heredocs.size() == 1 && made.words.size() == 1 && made.words[0].starts_with("<<");
  if (alone && first.content.starts_with("#!")) {
    out.file = first.content;
    out.place = "/dev/pipes/" + first.name;
    out.args = {out.place};
    return out;
  }
  out.args = state.shell();
  if (alone) {
    out.args.push_back(first.content);
    return out;
  }
  auto text = made.text + "\n";
  for (const auto& doc : made.heredocs) text += doc.content + doc.name + "\n";
  out.args.push_back(text);
  return out;
}

std::string network_of(const BuildRequest& request, const StageState& state, const Instruction& made) {
  auto name = state.expanded(made.flag_value("network"));
  if (name.empty()) name = request.network;
  if (name.empty() || name == "default") name = "host";
  if (name != "host" && name != "none")
    throw Error(ExitCode::usage, fmt::format("there is no network `{}`", name))
        .hint("one of `default`, `host`, `none`");
  return name;
}

}  // namespace

std::optional<Outcome> StageBuilder::run(StageState& state, const Instruction& made) {
  const auto script = script_of(state, made);
  const auto network = network_of(request_, state, made);
  auto key = key_of(state, "RUN");
  for (const auto& arg : script.args) key.field(arg);
  key.field(script.file).field(state.config.user).field(state.config.working_dir).field(network);
  for (const auto& [name, value] : state.variables)
    if (!is_proxy_argument(name)) key.field(name).field(value);

  std::optional<Outcome> failed;
  keyed(state, made, key.finish(), [&]() -> std::optional<StepResult> {
    const oci::Scratch scratch(cache_dir_, "run");
    for (const char* name : {"upper", "work"}) make_dirs(scratch.path() / name);
    oci::SandboxSpec spec;
    spec.overlay = oci::Overlay{lowers(state), scratch.path() / "upper", scratch.path() / "work"};
    spec.args = script.args;
    spec.user = state.config.user;
    spec.cwd = state.config.working_dir;
    spec.network = network == "none" ? oci::SandboxSpec::Network::none : oci::SandboxSpec::Network::host;
    for (const auto& [name, value] : state.variables) spec.env.push_back(name + "=" + value);
    for (const auto& [name, value] : request_.args)
      if (is_proxy_argument(name) && !state.variables.contains(name)) spec.env.push_back(name + "=" + value);
    if (!script.place.empty()) {
      write_file_atomic(scratch.path() / "script", script.file, 0755);
      spec.mounts.push_back({(scratch.path() / "script").string(), script.place, true});
    }
    if (!runtime_) runtime_ = oci::Runtime::probe(cache_dir_);
    Tail tail;
    WaitOptions options;
    options.stop = context_.stop();
    options.grace = Millis{2'000};
    const auto finished = runtime_->run(
        spec,
        [&](Stream stream, std::string_view text) {
          tail.add(text);
          context_.log(text, stream == Stream::err);
        },
        options);
    if (finished.cancelled) throw Error(ExitCode::interrupted, "the build was stopped");
    if (!finished.status.ok()) {
      failed = Outcome::failed(fmt::format("{} in `{}`", finished.status.str(), made.original));
      failed->detail = tail.lines();
      failed->where = made.where;
      return std::nullopt;
    }
    const auto upper = scratch.path() / "upper";
    oci::PackOptions pack;
    pack.mtime = mtime_;
    StepResult result{oci::pack_tree(store_, upper, pack)};
    if (result.layer) snapshots_.adopt(result.layer->diff_id, upper);
    return result;
  });
  return failed;
}

}  // namespace slipway::dockerfile
