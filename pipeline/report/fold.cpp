#include "report/fold.h"

namespace slipway {

namespace {

constexpr std::size_t kLastLines = 50;

StepReport& step_of(Report& report, const std::string& name) {
  // A run announces its steps in order and events come mostly from the latest ones, but thousands are
  // possible: `index` keeps it constant.
  if (auto it = report.index.find(name); it != report.index.end()) return report.steps[it->second];
  report.index.emplace(name, report.steps.size());
  auto& step = report.steps.emplace_back();
  step.name = name;
  step.phase = name.substr(0, name.find('.'));
  return step;
}

std::string text_of(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

void add_log(StepReport& step, const StepLog& log) {
  for (std::size_t from = 0; from < log.text.size();) {
    const auto end = std::min(log.text.find('\n', from), log.text.size());
    ++step.log_lines;
    step.last_lines.push_back(log.text.substr(from, end - from));
    if (step.last_lines.size() > kLastLines) step.last_lines.erase(step.last_lines.begin());
    from = end + 1;
  }
}

}  // namespace

const StepReport* Report::find(std::string_view name) const {
  const auto it = index.find(std::string(name));
  return it == index.end() ? nullptr : &steps[it->second];
}

void fold(Report& report, const Event& event) {
  report.run = event.run;
  if (const auto* b = std::get_if<RunStarted>(&event.body)) {
    report.spec = b->spec;
    report.environment = b->environment;
    report.started = event.ts;
  } else if (const auto* plan = std::get_if<RunPlan>(&event.body)) {
    for (const auto& entry : plan->steps) {
      auto& step = step_of(report, text_of(entry, "name"));
      step.phase = text_of(entry, "phase");
      const auto waits = entry.find("waits");
      step.waits = waits != entry.end() && *waits == true;
    }
  } else if (const auto* finished = std::get_if<RunFinished>(&event.body)) {
    report.finished = true;
    report.result = finished->result;
    report.exit = finished->exit;
    report.took = finished->took;
    report.critical_path = finished->critical_path;
  }
  if (event.step.empty()) return;
  auto& step = step_of(report, event.step);
  if (std::holds_alternative<StepStarted>(event.body)) {
    step.started = true;
    step.attempts = event.attempt;
  } else if (const auto* log = std::get_if<StepLog>(&event.body)) {
    add_log(step, *log);
  } else if (const auto* cache = std::get_if<CacheDecision>(&event.body)) {
    step.key = cache->key;
    step.cache_reason = cache->reason;
  } else if (const auto* fact = std::get_if<Fact>(&event.body)) {
    if (fact->kind == "test.case") step.tests.push_back(fact->data);
    if (auto decided = approval_decided(event)) step.decision = std::move(decided);
    if (fact->kind == "artifact") step.artifacts.push_back(fact->data);
  } else if (const auto* end = std::get_if<StepFinished>(&event.body)) {
    step.finished = true;
    step.cached = end->cached;
    step.ignored = end->ignored;
    step.result = end->result;
    step.took = end->took;
    step.exit = end->exit;
    step.message = end->message;
    step.detail = end->detail;
    step.hint = end->hint;
    step.where = end->where;
    step.outputs = end->outputs;
  }
}

}  // namespace slipway
