#include "plan/gates.h"

#include "plan/service_params.h"

namespace slipway {

namespace {

// Service → the digest of its image.
json digests_of(const json& services) {
  json out = json::object();
  for (const auto& [name, service] : services.items()) {
    auto& image = out[name] = service.at("image");
    image["path"] = image.value("path", std::string()) + "/digest";
  }
  return out;
}

class Gates {
 public:
  Gates(const Draft& deploy, const Spec& spec, const Environment& environment)
      : deploy_(deploy), spec_(spec), environment_(environment) {}

  std::vector<Draft> all() {
    if (!environment_.queue.empty()) {
      auto& queue =
          add("queue." + environment_.queue.text, "gate", "gate", "queue", environment_.queue.where);
      queue.step.params = {{"group", environment_.queue.text}};
    }
    const auto before = names();
    for (const auto& requirement : environment_.requirements) require(requirement, before);
    if (environment_.approval) approve(*environment_.approval);
    return std::move(drafts_);
  }

 private:
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& draft : drafts_) out.push_back(draft.step.name);
    return out;
  }

  Draft& add(std::string name, std::string phase, std::string uses, std::string action,
             const Location& where) {
    auto& draft = drafts_.emplace_back();
    draft.step.name = std::move(name);
    draft.step.phase = std::move(phase);
    draft.step.uses = std::move(uses);
    draft.step.action = std::move(action);
    draft.step.where = where;
    draft.needs = deploy_.needs;
    return draft;
  }

  static void need(Draft& draft, const std::vector<std::string>& names) {
    draft.needs.insert(draft.needs.end(), names.begin(), names.end());
  }

  void require(const Requirement& requirement, const std::vector<std::string>& before) {
    const auto& name = requirement.environment.text;
    const auto* other = spec_.environments.find(name);
    auto& status = add("status." + name, "gate", other->target.kind.text, "status", requirement.where);
    status.step.params = {{"project", spec_.name.text}, {"environment", name}};
    if (auto target = target_params(other->target); !target.empty())
      status.step.params["target"] = std::move(target);
    need(status, before);
    auto& gate = add("gate." + name, "gate", "gate", "same", requirement.where);
    gate.step.params = {{"environment", name},
                        {"status", {{"$ref", "status." + name}}},
                        {"images", digests_of(deploy_.step.params.at("services"))},
                        {"for_ms", requirement.lasting.count()}};
    need(gate, {"status." + name});
  }

  void approve(const Approval& approval) {
    const auto before = names();
    auto& preview =
        add("preview." + environment_.name, "gate", deploy_.step.uses, deploy_.step.action, approval.where);
    preview.step.params = deploy_.step.params;
    preview.step.secrets = deploy_.step.secrets;
    preview.step.preview = true;
    need(preview, before);
    auto& ask = add("approval." + environment_.name, "approval", "gate", "ask", approval.where);
    ask.step.params = {{"project", spec_.name.text},
                       {"environment", environment_.name},
                       {"images", digests_of(deploy_.step.params.at("services"))},
                       {"changes", {{"$ref", preview_name()}, {"path", "/changes"}}},
                       {"lines", {{"$ref", preview_name()}, {"path", "/lines"}}},
                       {"timeout_ms", approval.timeout.count()}};
    for (const auto& who : approval.by) ask.step.params["by"].push_back(who.text);
    need(ask, before);
    need(ask, {preview_name()});
  }

  std::string preview_name() const { return "preview." + environment_.name; }

  const Draft& deploy_;
  const Spec& spec_;
  const Environment& environment_;
  std::vector<Draft> drafts_;
};

}  // namespace

std::vector<Draft> gates_before(const Draft& deploy, const Spec& spec, const Environment& environment) {
  return Gates(deploy, spec, environment).all();
}

}  // namespace slipway
