#include "plugins/test/test_plugin.h"

#include "plugins/test/reports.h"
#include "plugins/test/room.h"
#include "plugins/test/tail.h"

namespace slipway {

namespace {

constexpr std::size_t kShownLines = 30;

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
                   {"skipped", {{"type", "integer"}}},
                   {"reports", {{"type", "array"}, {"items", {{"type", "string"}}}}}}}};
  run.secrets = {"*"};
  run.cacheable = true;
  return {"test", "1", "Tests inside the images that were built.", {std::move(run)}};
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

std::string why(const Finished& finished, const Reports& reports, const std::string& command) {
  if (reports.failed == 0) return fmt::format("{} in `{}`", finished.status.str(), command);
  const auto counts = fmt::format("{} of {} tests failed", reports.failed, reports.passed + reports.failed);
  // A runner that reports failures and exits with 0 is not believed.
  if (finished.status.ok()) return fmt::format("{}, although `{}` exited with 0", counts, command);
  return fmt::format("{}: {} in `{}`", counts, finished.status.str(), command);
}

// "✗ users.test_app.test_list: assert 500 == 200"
std::string line_of(const TestCase& red) {
  return fmt::format("✗ {}{}{}\n", red.class_name.empty() ? "" : red.class_name + ".", red.name,
                     red.message.empty() ? "" : ": " + red.message.substr(0, red.message.find('\n')));
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
    options.grace = Millis(2000);  // a test has nothing to put in order: its writes are thrown away
    Tail tail(kShownLines);
    const auto finished = room.run(
        [&](Stream stream, std::string_view bytes) {
          tail.write(bytes);
          context.log(bytes, stream == Stream::err);
        },
        options);
    if (finished.cancelled) throw Error(ExitCode::interrupted, "stopped");
    const auto reports = collect_reports(room.reports(), invocation.reports_dir, context);
    json outputs = {{"passed", reports.passed},
                    {"failed", reports.failed},
                    {"skipped", reports.skipped},
                    {"reports", reports.files}};
    if (finished.status.ok() && reports.failed == 0) return Outcome::success(std::move(outputs));
    auto outcome = Outcome::failed(why(finished, reports, shown(invocation.params.at("run"))));
    outcome.outputs = std::move(outputs);
    for (const auto& red : reports.red) outcome.detail += line_of(red);
    outcome.detail += tail.text();
    if (const auto casualties = room.casualties(); !casualties.empty()) outcome.detail += "\n" + casualties;
    return outcome;
  }

 private:
  PluginInfo info_ = describe();
};

}  // namespace

std::unique_ptr<Plugin> make_test_plugin() {
  return std::make_unique<Test>();
}

}  // namespace slipway
