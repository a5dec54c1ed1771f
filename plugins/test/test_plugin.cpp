#include "plugins/test/test_plugin.h"

#include "plugins/test/junit_reader.h"
#include "plugins/test/room.h"

namespace slipway {

namespace {

json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}
json texts_by_name(const char* description) {
  return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}, {"description", description}};
}

PluginInfo describe() {
  ActionInfo run;
  run.name = "run";
  run.summary =
      "Runs a command inside an image, with backing services beside it, and collects JUnit reports.";
  run.params = {
      {"type", "object"},
      {"properties",
       {{"image", {{"type", "object"}, {"description", "descriptor of an image in the store"}}},
        {"run",
         {{"type", {"string", "array"}}, {"description", "a text for sh -e, or program and arguments"}}},
        {"env", texts_by_name("environment variables")},
        {"secret_env", texts_by_name("environment variable → secret")},
        {"services", {{"type", "object"}, {"description", "name → Service"}}},
        {"workdir", text("default: the image's")},
        {"user", text("default: the image's")},
        {"network", text("`none`: no network but its services")}}},
      {"required", {"image", "run"}},
      {"additionalProperties", false}};
  run.outputs = {{"type", "object"},
                 {"properties",
                  {{"passed", {{"type", "integer"}}},
                   {"failed", {{"type", "integer"}}},
                   {"skipped", {{"type", "integer"}}}}}};
  run.secrets = {"*"};
  run.cacheable = true;
  return {"test", "1", "Tests inside the images that were built.", {std::move(run)}};
}

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
};

Counts tell_cases(const fs::path& reports, Context& context) {
  Counts counts;
  for (auto& one : read_junit_folder(reports)) {
    const auto result = one.at("result").get<std::string>();
    (result == "success" ? counts.passed : result == "skip" ? counts.skipped : counts.failed)++;
    context.event("test.case", std::move(one));
  }
  return counts;
}

std::string shown(const json& run) {
  std::string out;
  if (run.is_string()) {
    out = run.get<std::string>();
    while (out.ends_with('\n')) out.pop_back();
    if (const auto end = out.find('\n'); end != std::string::npos) out = out.substr(0, end) + " …";
  } else {
    for (const auto& word : run) out += (out.empty() ? "" : " ") + word.get<std::string>();
  }
  return out.size() > 80 ? out.substr(0, 77) + "…" : out;
}

class Test : public Plugin {
 public:
  const PluginInfo& info() const override { return info_; }

  Outcome run(const Invocation& invocation, Context& context) override {
    TestRoom room(invocation, context);
    if (const auto failed = room.start_services()) {
      auto outcome = Outcome::failed(failed->why);
      outcome.detail = failed->detail;
      outcome.infrastructure = true;
      return outcome;
    }
    WaitOptions options;
    options.stop = context.stop();
    const auto finished = room.run(
        [&](Stream stream, std::string_view bytes) { context.log(bytes, stream == Stream::err); }, options);
    if (finished.cancelled) throw Error(ExitCode::interrupted, "stopped");
    const auto counts = tell_cases(invocation.reports_dir, context);
    const auto command = shown(invocation.params.at("run"));
    if (!finished.status.ok())
      return Outcome::failed(counts.failed > 0
                                 ? fmt::format("{} of {} tests failed: {} in `{}`", counts.failed,
                                               counts.passed + counts.failed, finished.status.str(), command)
                                 : fmt::format("{} in `{}`", finished.status.str(), command));
    // A runner that reports failures and exits with 0 is not believed.
    if (counts.failed > 0)
      return Outcome::failed(fmt::format("{} of {} tests failed, although `{}` exited with 0", counts.failed,
                                         counts.passed + counts.failed, command));
    return Outcome::success(
        {{"passed", counts.passed}, {"failed", counts.failed}, {"skipped", counts.skipped}});
  }

 private:
  PluginInfo info_ = describe();
};

}  // namespace

std::unique_ptr<Plugin> make_test_plugin() {
  return std::make_unique<Test>();
}

}  // namespace slipway
