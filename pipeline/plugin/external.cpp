#include "plugin/external.h"

#include <csignal>

#include "plugin/schema.h"
#include "sys/digest.h"

namespace slipway {

namespace {

using Clock = std::chrono::steady_clock;

// An Error of the plugin's own words keeps them; what it did wrong on the wire names the plugin.
Error wrong_answer(const std::string& label, const Error& e) {
  return Error(ExitCode::unavailable, fmt::format("plugin `{}`: {}", label, e.message()))
      .hint(e.hint())
      .detail(e.detail());
}

bool takes(const ActionInfo& action, const std::string& secret) {
  return std::any_of(action.secrets.begin(), action.secrets.end(),
                     [&](const auto& name) { return name == "*" || name == secret; });
}

}  // namespace

ExternalPlugin::ExternalPlugin(Command command, std::string label, std::string content_id,
                               ExternalLimits limits)
    : command_(std::move(command)),
      label_(std::move(label)),
      content_id_(std::move(content_id)),
      limits_(limits) {
  link_ = connect(info_);
}

std::shared_ptr<ChildLink> ExternalPlugin::connect(PluginInfo& info) {
  auto link = std::make_shared<ChildLink>(command_, label_);
  const auto call =
      link->start("initialize", {{"protocol", wire::protocol_range()}, {"slipway", SLIPWAY_VERSION}});
  const auto deadline = Clock::now() + limits_.handshake;
  std::string said;
  for (;;) {
    auto message = call->channel.pop_until(deadline);
    if (!message) {
      link->kill_group(SIGKILL);
      throw Error(ExitCode::unavailable, fmt::format("plugin `{}` did not answer `initialize` within {}",
                                                     label_, format_duration(limits_.handshake)))
          .hint("a plugin reads requests from stdin and answers on stdout; see plugins/PROTOCOL.md")
          .detail(said);
    }
    if (const auto* log = std::get_if<Call::Log>(&*message)) {
      call->taken(log->text.size());
      said = (said + log->text).substr(0, 2000);
      continue;
    }
    auto* answer = std::get_if<Call::Answer>(&*message);
    if (!answer) continue;
    if (answer->error && answer->died) throw *answer->error;
    if (answer->error)
      throw Error(ExitCode::unavailable,
                  fmt::format("plugin `{}` refused `initialize`: {}", label_, answer->error->message()))
          .hint(answer->error->hint());
    const json& result = answer->result;
    const json range = result.is_object() ? result.value("protocol", json()) : json();
    if (!wire::common_protocol(range))
      throw Error(ExitCode::unavailable,
                  fmt::format("plugin `{}` speaks protocol {}, and this slipway speaks {} to {}", label_,
                              range.is_object() ? fmt::format("{} to {}", range.value("min", json()).dump(),
                                                              range.value("max", json()).dump())
                                                : range.dump(),
                              wire::kOldest, wire::kNewest))
          .hint("use a version of the plugin, or of slipway, that shares a number");
    try {
      info = wire::info_from_json(result);
    } catch (const Error& e) {
      throw wrong_answer(label_, e);
    }
    if (!content_id_.empty()) info.version += "+" + content_id_;
    // Asking a process is not quick: the engine asks on the step's own thread.
    for (auto& action : info.actions) action.slow_fingerprint = true;
    return link;
  }
}

std::shared_ptr<ChildLink> ExternalPlugin::link() {
  const std::lock_guard lock(mutex_);
  if (auto broken = link_->broken()) throw *broken;
  if (link_->alive()) return link_;
  PluginInfo info;
  link_ = connect(info);
  if (info.name != info_.name || info.version != info_.version)
    throw Error(ExitCode::unavailable,
                fmt::format("plugin `{}` was `{}` {} and has become `{}` {} since it was started", label_,
                            info_.name, info_.version, info.name, info.version));
  return link_;
}

const ActionInfo& ExternalPlugin::action_of(const Invocation& invocation) const {
  if (const auto* action = info_.find(invocation.action)) return *action;
  throw Error(ExitCode::usage, fmt::format("plugin `{}` has no action `{}`", label_, invocation.action));
}

Call::Answer ExternalPlugin::ask(std::string_view method, json params, Context& context,
                                 std::optional<Millis> limit) {
  const auto link = this->link();
  const auto call = link->start(method, std::move(params));
  // What the context does not want ends the call: the plugin is told to stop, its answer is dropped.
  struct Ending {
    ChildLink& link;
    const std::shared_ptr<Call>& call;
    bool answered = false;
    ~Ending() {
      if (!answered) link.notify("cancel", {{"id", call->id}});
      link.abandon(call);
    }
  } ending{*link, call};
  const std::stop_callback on_stop(context.stop(), [&] { call->channel.push(Call::Stop{}); });

  enum class Phase { running, asked, terminated, killed } phase = Phase::running;
  std::optional<Clock::time_point> deadline;
  if (limit) deadline = Clock::now() + *limit;
  bool late = false;
  for (;;) {
    auto message = deadline ? call->channel.pop_until(*deadline) : call->channel.pop();
    if (!message && phase == Phase::running) late = true;
    if ((message && std::holds_alternative<Call::Stop>(*message)) || (!message && phase == Phase::running)) {
      if (phase != Phase::running) continue;
      phase = Phase::asked;
      deadline = Clock::now() + limits_.cancel;
      link->notify("cancel", {{"id", call->id}});
    } else if (!message && phase == Phase::asked) {
      phase = Phase::terminated;
      deadline = Clock::now() + limits_.terminate;
      link->kill_group(SIGTERM);
    } else if (!message) {
      phase = Phase::killed;
      deadline.reset();
      link->kill_group(SIGKILL);
    } else if (auto* log = std::get_if<Call::Log>(&*message)) {
      call->taken(log->text.size());
      context.log(log->text, log->error_stream);
    } else if (auto* note = std::get_if<Call::Note>(&*message)) {
      if (note->method == "event") {
        const auto kind = note->params.value("kind", json());
        context.event(kind.is_string() ? kind.get<std::string>() : "",
                      note->params.value("data", json::object()));
      } else {
        try {
          context.progress(wire::progress_from_json(note->params));
        } catch (const Error& e) {
          throw wrong_answer(label_, e);
        }
      }
    } else if (auto* answer = std::get_if<Call::Answer>(&*message)) {
      ending.answered = true;
      if (phase >= Phase::terminated)
        throw Error(late ? ExitCode::timeout : ExitCode::interrupted,
                    fmt::format("plugin `{}` did not stop within {} of `cancel` and was ended", label_,
                                format_duration(limits_.cancel)));
      if (late)
        throw Error(ExitCode::timeout, fmt::format("plugin `{}` took more than {} for `{}`", label_,
                                                   format_duration(*limit), method));
      return std::move(*answer);
    }
  }
}

json ExternalPlugin::result_of(Call::Answer answer, std::string_view method) const {
  if (!answer.error) return std::move(answer.result);
  if (!answer.died) throw *answer.error;
  throw Error(*answer.error).trail(fmt::format("while it was asked to `{}`", method));
}

Outcome ExternalPlugin::outcome_of(Call::Answer answer, std::string_view method) const {
  const auto result = result_of(std::move(answer), method);
  try {
    return wire::outcome_from_json(result);
  } catch (const Error& e) {
    throw wrong_answer(label_, e);
  }
}

Outcome ExternalPlugin::run(const Invocation& invocation, Context& context) {
  const auto& action = action_of(invocation);
  auto only_declared = invocation;
  std::erase_if(only_declared.secrets, [&](const auto& item) { return !takes(action, item.first); });
  auto outcome = outcome_of(ask("run", wire::to_json(only_declared, true), context, {}), "run");
  if (outcome.ok)
    if (const auto wrong = check_schema(outcome.outputs, action.outputs, {.root = "outputs", .unknown = {}});
        !wrong.empty())
      throw Error(ExitCode::unavailable, fmt::format("plugin `{}`: its answer: {}", label_, wrong[0].message))
          .hint(wrong[0].hint);
  return outcome;
}

json ExternalPlugin::fingerprint(const Invocation& invocation, Context& context) {
  auto answer = ask("fingerprint", wire::to_json(invocation, false), context, limits_.fingerprint);
  if (answer.error && answer.code == wire::unknown_method) return nullptr;  // it has nothing more to say
  return result_of(std::move(answer), "fingerprint");
}

json ExternalPlugin::preview(const Invocation& invocation, Context& context) {
  if (!action_of(invocation).can_preview) return Plugin::preview(invocation, context);
  return result_of(ask("preview", wire::to_json(invocation, false), context, limits_.fingerprint), "preview");
}

Outcome ExternalPlugin::undo(const Invocation& invocation, const json& outputs, Context& context) {
  if (!action_of(invocation).can_undo) return Plugin::undo(invocation, outputs, context);
  auto params = wire::to_json(invocation, false);
  params["outputs"] = outputs;
  return outcome_of(ask("undo", std::move(params), context, {}), "undo");
}

std::unique_ptr<Plugin> start_external_plugin(const std::string& uses,
                                              const std::filesystem::path& project_dir) {
  const auto path = (project_dir / uses).lexically_normal();
  std::error_code ec;
  if (!fs::is_regular_file(path, ec))
    throw Error(ExitCode::usage, fmt::format("there is no plugin at `{}`", uses))
        .hint("`uses` with a `/` names an executable, relative to the project");
  if (!find_program(path.string()))
    throw Error(ExitCode::usage, fmt::format("the plugin `{}` is not executable", uses))
        .hint("chmod +x " + uses);
  Command command;
  command.argv = {path.string()};
  command.cwd = project_dir;
  return std::make_unique<ExternalPlugin>(std::move(command), uses, Digest::of_file(path).short_hex());
}

}  // namespace slipway
