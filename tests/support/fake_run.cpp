#include "support/fake_run.h"

#include <catch2/catch.hpp>

namespace slipway::test {

namespace {

class FakePlugin : public Plugin {
 public:
  FakePlugin(FakeWork& work, std::string version) : work_(work) {
    info_.name = "fake";
    info_.version = std::move(version);
    for (const auto* name : {"make", "slow", "act", "wait"}) {
      ActionInfo action;
      action.name = name;
      action.params = {{"type", "object"}, {"properties", {{"where", {{"x-slipway-key", false}}}}}};
      action.outputs = {{"type", "object"}, {"properties", {{"file", {{"x-slipway-exists", "path"}}}}}};
      action.secrets = {"token"};
      action.cacheable = action.name == "make" || action.name == "slow";
      action.waits = action.name == "wait";
      action.slow_fingerprint = action.name == "slow";
      info_.actions.push_back(action);
    }
  }
  const PluginInfo& info() const override { return info_; }
  Outcome run(const Invocation& invocation, Context& context) override {
    work_.note(invocation.step);
    const auto body = work_.bodies.find(invocation.step);
    if (body != work_.bodies.end()) return body->second(invocation, context);
    return Outcome::success({{"made", invocation.step}});
  }
  json fingerprint(const Invocation& invocation, Context&) override {
    return work_.fingerprint ? work_.fingerprint(invocation) : json(nullptr);
  }

 private:
  FakeWork& work_;
  PluginInfo info_;
};

std::string_view type_of(const Event& event) {
  static constexpr std::string_view names[] = {"run.started",   "run.plan",      "step.started",
                                               "step.progress", "step.log",      "cache",
                                               "fact",          "step.finished", "run.finished"};
  return names[event.body.index()];
}

}  // namespace

int FakeWork::runs_of(const std::string& step) const {
  std::lock_guard lock(mutex_);
  const auto it = runs_.find(step);
  return it == runs_.end() ? 0 : it->second;
}

int FakeWork::all_runs() const {
  std::lock_guard lock(mutex_);
  int sum = 0;
  for (const auto& [step, count] : runs_) sum += count;
  return sum;
}

void FakeWork::note(const std::string& step) {
  std::lock_guard lock(mutex_);
  ++runs_[step];
}

void add_fake_plugin(Plugins& plugins, FakeWork& work, std::string version) {
  plugins.add("fake", [&work, version] { return std::make_unique<FakePlugin>(work, version); });
}

void Gate::open() {
  {
    std::lock_guard lock(mutex_);
    open_ = true;
  }
  changed_.notify_all();
}

bool Gate::wait() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return open_; });
}

bool Gate::wait(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, stop, std::chrono::seconds(20), [&] { return open_; });
}

PlanMaker::PlanMaker(const fs::path& project) {
  plan.name = "shop";
  plan.project_dir = project;
  plan.spec_file = project / "slipway.yaml";
}

Step& PlanMaker::step(const std::string& name, const std::vector<std::string>& needs, json params,
                      const std::string& action) {
  Step step;
  step.id = static_cast<StepId>(plan.steps.size());
  step.name = name;
  step.phase = name.substr(0, name.find('.'));
  step.uses = "fake";
  step.action = action;
  step.params = std::move(params);
  if (action == "make" && !step.params.contains("name")) step.params["name"] = name;
  for (const auto& need : needs) step.needs.push_back(plan.find(need)->id);
  plan.steps.push_back(std::move(step));
  return plan.steps.back();
}

FakeRun::FakeRun() {
  add_fake_plugin(plugins, work);
  options.dirs = dirs;
  options.run_id = "r-1";
  options.jobs = 4;
  options.retry_backoff = Millis(1);
}

void FakeRun::run() {
  events.clear();
  report = Report();
  StepCache cache(dirs.cache);
  const auto sink = [this](const Event& event) {
    events.push_back(event);
    fold(report, event);
    if (on_event) on_event(event);
  };
  finished = run_plan(plan.plan, plugins, cache, options, sink, stop.get_token(), kill.get_token());
}

const StepReport& FakeRun::step(const std::string& name) const {
  const auto* found = report.find(name);
  REQUIRE(found);
  return *found;
}

Result FakeRun::result_of(const std::string& name) const {
  return step(name).result;
}

std::vector<std::string> FakeRun::story() const {
  std::vector<std::string> out;
  for (const auto& event : events) {
    if (std::holds_alternative<StepLog>(event.body)) continue;
    std::string line(type_of(event));
    if (!event.step.empty()) line += " " + event.step;
    if (const auto* cache = std::get_if<CacheDecision>(&event.body)) line += cache->hit ? " hit" : " miss";
    if (const auto* end = std::get_if<StepFinished>(&event.body))
      line += fmt::format(" {}", to_string(end->result));
    if (const auto* end = std::get_if<RunFinished>(&event.body))
      line += fmt::format(" {}", to_string(end->result));
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace slipway::test
