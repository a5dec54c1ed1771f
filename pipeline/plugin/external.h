// A plugin that is a program: started once, talked to over stdin and stdout (plugins/PROTOCOL.md).
#pragma once
#include <memory>
#include <mutex>

#include "plugin/child_link.h"
#include "plugin/plugin.h"

namespace slipway {

struct ExternalLimits {
  Millis handshake{5'000};     // from the start to the answer to `initialize`
  Millis cancel{10'000};       // from `cancel` to SIGTERM for the whole group
  Millis terminate{5'000};     // from SIGTERM to SIGKILL
  Millis fingerprint{60'000};  // and preview: both only look
};

// Starts the program and shakes hands. Throws Error(unavailable) when it cannot be started, does not answer
// in time, or shares no protocol number with us. `content_id`, when given, joins the version (and so the
// cache keys): an edited script gives new results without a new number.
class ExternalPlugin : public Plugin {
 public:
  ExternalPlugin(Command command, std::string label, std::string content_id = {}, ExternalLimits limits = {});

  const PluginInfo& info() const override { return info_; }
  Outcome run(const Invocation& invocation, Context& context) override;
  json fingerprint(const Invocation& invocation, Context& context) override;
  json preview(const Invocation& invocation, Context& context) override;
  Outcome undo(const Invocation& invocation, const json& outputs, Context& context) override;

 private:
  std::shared_ptr<ChildLink> connect(PluginInfo& info);
  std::shared_ptr<ChildLink> link();  // the living one; a process that ended is started again
  const ActionInfo& action_of(const Invocation& invocation) const;
  Call::Answer ask(std::string_view method, json params, Context& context, std::optional<Millis> limit);
  json result_of(Call::Answer answer, std::string_view method) const;
  Outcome outcome_of(Call::Answer answer, std::string_view method) const;

  const Command command_;
  const std::string label_, content_id_;
  const ExternalLimits limits_;
  PluginInfo info_;
  std::mutex mutex_;
  std::shared_ptr<ChildLink> link_;  // guarded by mutex_
};

// `./tools/greet` of the spec, relative to the project. Throws Error(usage) when it is not there or cannot be
// executed.
std::unique_ptr<Plugin> start_external_plugin(const std::string& uses,
                                              const std::filesystem::path& project_dir);

}  // namespace slipway
