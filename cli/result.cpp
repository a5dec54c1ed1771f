#include "cli/result.h"

namespace slipway::cli {

namespace {

const json* member(const StepReport& step, const char* name) {
  if (step.result != Result::success || !step.outputs.is_object()) return nullptr;
  const auto it = step.outputs.find(name);
  return it == step.outputs.end() ? nullptr : &*it;
}

std::string without_phase(const std::string& step) {
  return step.substr(step.find('.') + 1);
}

// By image name; where it was pushed to, else where it lies.
json images_of(const Report& report) {
  json out = json::object();
  for (const char* phase : {"build", "push"})
    for (const auto& step : report.steps)
      if (const auto* ref = member(step, "ref"); ref && step.phase == phase && ref->is_string())
        out[without_phase(step.name)] = *ref;
  return out;
}

json urls_of(const Report& report) {
  json out = json::object();
  for (const auto& step : report.steps)
    if (const auto* urls = member(step, "urls"); urls && urls->is_object()) out.update(*urls);
  return out;
}

json step_json(const StepReport& step) {
  json out = {{"name", step.name},
              {"phase", step.phase},
              {"result", to_string(step.result)},
              {"ms", step.took.count()},
              {"cached", step.cached}};
  if (step.attempts > 1) out["attempts"] = step.attempts;
  if (step.ignored) out["ignored"] = true;
  if (!step.message.empty()) out["message"] = step.message;
  if (!step.detail.empty()) out["detail"] = step.detail;
  if (!step.hint.empty()) out["hint"] = step.hint;
  if (step.where.known()) out["where"] = step.where.str();
  if (!step.cache_reason.is_null()) out["why"] = step.cache_reason;
  if (const auto& decision = step.decision)
    out["decision"] = {{"answer", decision->answer},
                       {"by", decision->by},
                       {"at", decision->at},
                       {"how", decision->how},
                       {"why", decision->why}};
  if (!step.outputs.empty()) out["outputs"] = step.outputs;
  return out;
}

}  // namespace

json result_json(const Report& report) {
  json steps = json::array();
  for (const auto& step : report.steps) steps.push_back(step_json(step));
  return {{"run", report.run},
          {"spec", report.spec},
          {"environment", report.environment},
          {"finished", report.finished},
          {"result", to_string(report.result)},
          {"exit", report.exit},
          {"ms", report.took.count()},
          {"steps", std::move(steps)},
          {"images", images_of(report)},
          {"urls", urls_of(report)},
          {"critical_path", report.critical_path}};
}

std::string result_text(const Report& report) {
  std::string out;
  // Named: items() keeps a reference to what it walks.
  const auto images = images_of(report), urls = urls_of(report);
  for (const auto& [name, ref] : images.items())
    out += fmt::format("image {} {}\n", name, ref.get<std::string>());
  for (const auto& [name, url] : urls.items())
    if (url.is_string()) out += fmt::format("url {} {}\n", name, url.get<std::string>());
  return out;
}

}  // namespace slipway::cli
