#include "run/forecast.h"

#include "plan/explain.h"
#include "run/step_setup.h"
#include "run/worker.h"

namespace slipway {

namespace {

// What fingerprints and previews say on the way is not part of a forecast.
class Quiet : public Context {
 public:
  explicit Quiet(std::stop_token stop) : stop_(std::move(stop)) {}
  void log(std::string_view, bool) override {}
  void progress(const Progress&) override {}
  void event(std::string_view, json) override {}
  std::stop_token stop() const override { return stop_; }

 private:
  std::stop_token stop_;
};

class Forecaster {
 public:
  Forecaster(const Plan& plan, Plugins& plugins, StepCache& cache, const EngineOptions& options,
             std::stop_token stop, Secrets* secrets)
      : plan_(plan),
        cache_(cache),
        options_(options),
        secrets_(secrets),
        setup_(plan, plugins, options),
        context_(std::move(stop)),
        outputs_(plan.steps.size()) {
    for (const auto& step : plan.steps) by_name_.emplace(step.name, step.id);
  }

  std::vector<Forecast> run() {
    std::vector<Forecast> out;
    for (const auto& step : plan_.steps) out.push_back(one(step));
    return out;
  }

 private:
  Forecast one(const Step& step) {
    Forecast out;
    out.step = step.id;
    for (const auto& name : referenced_steps(step.params)) {
      if (const auto it = by_name_.find(name); it == by_name_.end() || outputs_[it->second]) continue;
      out.reason = {{"why", "needs"}, {"step", name}};
      return out;
    }
    const auto prepared = setup_.prepare(step, [this](const std::string& name) -> const json* {
      const auto it = by_name_.find(name);
      return it != by_name_.end() && outputs_[it->second] ? &*outputs_[it->second] : nullptr;
    });
    if (prepared.cacheable)
      keyed(step, prepared, out);
    else
      unkeyed(step, prepared, out);
    return out;
  }

  void keyed(const Step& step, const Prepared& prepared, Forecast& out) {
    const auto print = prepared.plugin->fingerprint(prepared.invocation, context_);
    const auto key =
        step_key(prepared.plugin->info(), *prepared.action, prepared.invocation.params, step.env, print);
    if (auto cached = options_.no_cache ? std::nullopt : cache_.lookup(key.hash, prepared.action->outputs)) {
      out.will = Forecast::Will::reuse;
      out.reason = {{"why", "same"}, {"from", cached->run}};
      outputs_[step.id] = std::move(cached->outputs);
      return;
    }
    const auto last = cache_.last_time(setup_.project(), step.name);
    if (options_.no_cache)
      out.reason = {{"why", "refused"}};
    else if (!last)
      out.reason = {{"why", "first"}};
    else if (last->hash == key.hash)
      out.reason = {{"why", last->ok ? "gone" : "failed"}, {"from", last->run}};
    else
      out.reason = explain_difference(last->parts, key.parts, last->run);
  }

  void unkeyed(const Step& step, const Prepared& prepared, Forecast& out) {
    out.reason = {{"why", step.cache ? "always" : "off"}};
    if (step.preview) {  // its lines stand at the step that would do it
      outputs_[step.id] = foreseen(prepared.plugin->preview(prepared.invocation, context_)).outputs;
      out.will = Forecast::Will::look;
      return;
    }
    if (!prepared.action->can_preview) return;
    auto invocation = prepared.invocation;
    if (secrets_)
      for (const auto& name : secrets_for(step, *prepared.action))
        invocation.secrets.emplace(name, secrets_->get(name, context_.stop()));
    const auto preview = prepared.plugin->preview(invocation, context_);
    if (!preview.is_object()) return;
    out.preview = preview;
    if (const auto lines = preview.find("lines"); lines != preview.end() && lines->is_array())
      for (const auto& line : *lines)
        if (line.is_string()) out.lines.push_back(line.get<std::string>());
    if (const auto outputs = preview.find("outputs"); outputs != preview.end() && outputs->is_object()) {
      outputs_[step.id] = *outputs;
      out.will = Forecast::Will::look;
    }
    const auto changes = preview.find("changes");
    if (changes == preview.end() || !changes->is_boolean()) return;
    if (!changes->get<bool>())
      out.will = Forecast::Will::look;
    else if (!out.lines.empty())
      out.reason = {{"why", "changes"}};
  }

  const Plan& plan_;
  StepCache& cache_;
  const EngineOptions& options_;
  Secrets* secrets_;
  StepSetup setup_;
  Quiet context_;
  std::vector<std::optional<json>> outputs_;  // by step; known only where nothing has to run for them
  std::unordered_map<std::string, StepId> by_name_;
};

}  // namespace

std::vector<Forecast> forecast(const Plan& plan, Plugins& plugins, StepCache& cache,
                               const EngineOptions& options, std::stop_token stop, Secrets* secrets) {
  return Forecaster(plan, plugins, cache, options, std::move(stop), secrets).run();
}

std::string summarize(const Forecast& forecast) {
  const auto why = forecast.reason.value("why", std::string());
  if (why == "needs") return "needs " + forecast.reason.value("step", std::string()) + ", which runs";
  if (why == "always" || why == "off") return forecast.will == Forecast::Will::look ? "" : "runs every time";
  if (why == "changes") return "";  // its lines tell
  if (why == "same") return "as in " + forecast.reason.value("from", std::string());
  return summarize_reason(forecast.reason);
}

}  // namespace slipway
