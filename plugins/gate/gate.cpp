#include "plugins/gate/gate.h"

#include <condition_variable>
#include <mutex>

#include "base/clock.h"
#include "plugins/gate/decision.h"
#include "plugins/gate/queue.h"
#include "plugins/gate/same.h"
#include "sys/files.h"

namespace slipway {

namespace gate {

namespace {

constexpr Millis kLookEvery{100};

json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}
json texts(const char* description) {
  return {{"type", "array"}, {"items", {{"type", "string"}}}, {"description", description}};
}
json millis(const char* description) {
  return {{"type", "integer"}, {"minimum", 0}, {"description", description}};
}
json digests() {
  return {{"type", "object"},
          {"additionalProperties", {{"type", "string"}}},
          {"description", "service → digest of its image"}};
}
json unkeyed(json schema) {
  schema["x-slipway-key"] = false;
  return schema;
}

ActionInfo action(const char* name, const char* summary, json properties, std::vector<std::string> required) {
  ActionInfo info;
  info.name = name;
  info.summary = summary;
  info.params = {{"type", "object"},
                 {"properties", std::move(properties)},
                 {"required", std::move(required)},
                 {"additionalProperties", false}};
  info.outputs = {{"type", "object"}};
  info.can_preview = true;
  return info;
}

PluginInfo describe() {
  PluginInfo info;
  info.name = "gate";
  info.version = "1";
  info.summary = "What a rollout waits for or asks before it begins.";
  auto same = action("same", "Passes when another environment serves these images, healthy, for so long.",
                     {{"environment", text("its name")},
                      {"status", {{"type", "object"}, {"description", "outputs of its target's `status`"}}},
                      {"images", digests()},
                      {"for_ms", millis("since when its release has to be good")}},
                     {"environment", "status", "images"});
  const json served = {{"name", "web"},
                       {"image", "sha256:91ab"},
                       {"wanted", 1},
                       {"replicas", {{{"id", "web-1"}, {"health", "healthy"}}}}};
  same.params["examples"] = {{{"environment", "staging"},
                              {"images", {{"web", "sha256:91ab"}}},
                              {"status", {{"release", "r1"}, {"services", {served}}}}}};
  info.actions.push_back(std::move(same));
  auto ask = action("ask", "Waits until somebody who may has approved of a rollout or denied it.",
                    {{"project", text("what is rolled out")},
                     {"environment", text("where to")},
                     {"by", texts("users and groups who may decide (default: anybody)")},
                     {"images", digests()},
                     {"changes", {{"type", "boolean"}, {"description", "false: nobody needs to be asked"}}},
                     {"lines", unkeyed(texts("what would change, for people"))},
                     {"timeout_ms", millis("how long it waits")}},
                    {"project", "environment", "images", "timeout_ms"});
  ask.waits = true;
  info.actions.push_back(std::move(ask));
  auto queue = action("queue", "Waits until the runs of a group that came before have ended.",
                      {{"group", text("its name")}}, {"group"});
  queue.waits = true;
  info.actions.push_back(std::move(queue));
  return info;
}

// Sleeps a little; throws when the run is to stop.
class Pause {
 public:
  explicit Pause(std::stop_token stop) : stop_(std::move(stop)) {}
  void take() {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop_, kLookEvery, [] { return false; });
    if (stop_.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
  }

 private:
  std::stop_token stop_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& line : lines) out += line + "\n";
  return out;
}

Outcome same(const json& params, Context& context) {
  const auto verdict = compare(params, now_micros());
  const auto environment = params.at("environment").get<std::string>();
  if (verdict.open) {
    context.log(joined(verdict.lines));
    return Outcome::success();
  }
  auto outcome =
      Outcome::failed(fmt::format("`{}` does not serve this yet: {}{}", environment, verdict.lines.front(),
                                  verdict.lines.size() > 1 ? ", and more" : ""),
                      static_cast<int>(ExitCode::denied));
  outcome.detail = joined(verdict.lines);
  return outcome;
}

Question question_of(const Invocation& invocation) {
  const auto& params = invocation.params;
  Question out;
  out.step = invocation.step;
  out.project = params.at("project").get<std::string>();
  out.environment = params.at("environment").get<std::string>();
  out.by = params.value("by", out.by);
  out.lines = params.value("lines", out.lines);
  out.images = params.at("images");
  out.asked = now_micros();
  out.until = out.asked + params.at("timeout_ms").get<std::int64_t>() * 1000;
  return out;
}

Millis span_of(const Question& question) {
  return Millis((question.until - question.asked) / 1000);
}

// Takes the question back when nobody has to answer it any more.
class Asked {
 public:
  Asked(fs::path folder, const Question& question) : folder_(std::move(folder)), step_(question.step) {
    gate::ask(folder_, question);
  }
  ~Asked() { take_back(folder_, step_); }

 private:
  fs::path folder_;
  std::string step_;
};

Outcome decided(const Decision& decision, Context& context) {
  const auto at = format_utc(decision.at);
  json fact = {{"state", decision.answer},
               {"by", decision.who.name},
               {"uid", decision.who.uid},
               {"at", at},
               {"how", decision.how}};
  if (!decision.why.empty()) fact["why"] = decision.why;
  context.event("approval", fact);
  const auto because = decision.why.empty() ? "" : ": " + decision.why;
  if (decision.answer == "approved") {
    context.log(fmt::format("approved by {}{}\n", decision.who.name, because));
    return Outcome::success({{"decision", "approved"}, {"by", decision.who.name}, {"at", at}});
  }
  if (decision.answer == "unanswerable")
    return Outcome::failed("nobody can approve" + because, static_cast<int>(ExitCode::denied));
  return Outcome::failed(fmt::format("denied by {}{}", decision.who.name, because),
                         static_cast<int>(ExitCode::denied));
}

Outcome ask(const Invocation& invocation, Context& context) {
  const auto question = question_of(invocation);
  if (!invocation.params.value("changes", true)) {
    context.log("nothing would change: nobody is asked\n");
    return Outcome::success({{"decision", "not needed"}});
  }
  if (!question.by.empty() && std::none_of(question.by.begin(), question.by.end(), is_account_or_group))
    return Outcome::failed(
        fmt::format("nobody can approve: this machine knows no user or group {}", question.who()),
        static_cast<int>(ExitCode::denied));
  const auto folder = questions_folder(invocation.state_dir, invocation.run_id);
  forget_decision(folder, question.step);
  context.log(joined(question.lines));
  const Asked asked(folder, question);
  context.progress(
      {fmt::format("waits for {} to approve: slipway approve {}", question.who(), invocation.run_id), 0, 0,
       ""});
  context.event("approval", {{"state", "asked"},
                             {"project", question.project},
                             {"environment", question.environment},
                             {"by", question.by},
                             {"lines", question.lines},
                             {"images", question.images},
                             {"until", format_utc(question.until)}});
  Pause pause(context.stop());
  while (now_micros() < question.until) {
    if (const auto decision = gate::decision(folder, question.step)) {
      const bool own_word = decision->answer == "unanswerable" && decision->who.uid == own_account().uid;
      if (own_word || question.allows(decision->who)) return decided(*decision, context);
      context.log(fmt::format("`{}` may not decide: that answer does not count\n", decision->who.name), true);
      forget_decision(folder, question.step);
    }
    pause.take();
  }
  throw Error(ExitCode::timeout, fmt::format("nobody decided within {}", format_duration(span_of(question))))
      .hint(fmt::format("{} may: `slipway approve` while a run waits", question.who()));
}

std::string told(const std::vector<Waiting>& before, const fs::path& state_dir) {
  const auto& first = before.front();
  auto out = fmt::format("waits for run {}", first.run);
  if (!open_questions(questions_folder(state_dir, first.run)).empty())
    out += fmt::format(", which waits for approval (slipway approve {})", first.run);
  if (before.size() > 1) out += fmt::format(", and {} more before this one", before.size() - 1);
  return out;
}

fs::path queue_of(const Invocation& invocation) {
  const auto group = invocation.params.at("group").get<std::string>();
  if (!is_safe_name(group)) throw Error(ExitCode::usage, fmt::format("`{}` is no name for a group", group));
  return queue_folder(invocation.state_dir, group);
}

class Gate : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  Outcome run(const Invocation& invocation, Context& context) override {
    if (invocation.action == "same") return same(invocation.params, context);
    if (invocation.action == "ask") return ask(invocation, context);
    if (invocation.action == "queue") return queue(invocation, context);
    throw Error(ExitCode::usage, fmt::format("`gate` has no action `{}`", invocation.action));
  }

  json preview(const Invocation& invocation, Context&) override {
    json lines = json::array();
    if (invocation.action == "same") {
      const auto verdict = compare(invocation.params, now_micros());
      for (const auto& line : verdict.lines) lines.push_back((verdict.open ? "open: " : "closed: ") + line);
    } else if (invocation.action == "ask") {
      const auto question = question_of(invocation);
      lines.push_back(invocation.params.value("changes", true)
                          ? fmt::format("asks {}, and waits {} at most", question.who(),
                                        format_duration(span_of(question)))
                          : std::string("nothing would change: nobody is asked"));
    } else if (const auto before = waiting_in(queue_of(invocation)); !before.empty()) {
      lines.push_back(told(before, invocation.state_dir));
    }
    return {{"lines", lines}, {"changes", false}};
  }

 private:
  // The turn lasts until this process ends: what the run does after its rollout belongs to it.
  Outcome queue(const Invocation& invocation, Context& context) {
    auto place = std::make_unique<Place>(queue_of(invocation), invocation.run_id);
    Pause pause(context.stop());
    std::string last;
    for (auto before = place->before(); !before.empty(); before = place->before()) {
      if (auto now = told(before, invocation.state_dir); now != last)
        context.progress({last = now, 0, 0, ""});
      pause.take();
    }
    std::lock_guard lock(mutex_);
    turns_.push_back(std::move(place));
    return Outcome::success();
  }

  PluginInfo info_ = describe();
  std::mutex mutex_;
  std::vector<std::unique_ptr<Place>> turns_;  // guarded by mutex_
};

}  // namespace

}  // namespace gate

std::unique_ptr<Plugin> make_gate_plugin() {
  return std::make_unique<gate::Gate>();
}

}  // namespace slipway
