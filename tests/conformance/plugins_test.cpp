// Every built-in, in process and over the wire, and the examples of the SDK: the same checks that
// `slipway plugin test` makes.
#include <catch2/catch.hpp>

#include "plugin/conformance.h"
#include "plugin/external.h"
#include "plugins/builtin.h"
#include "support/fake_context.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

namespace {

const fs::path kExamples = fs::path(SLIPWAY_SOURCE_DIR) / "plugins/sdk/examples";

// Counts, so that a suite that checks nothing is seen.
struct Verdicts {
  int passed = 0;
  OnCheck on_check() {
    return [this](const ConformanceCheck& check) {
      INFO(check.name << ": " << check.why);
      CHECK(check.result != ConformanceCheck::Result::failed);
      passed += check.result == ConformanceCheck::Result::passed;
    };
  }
};

Command serve(const std::string& name) {
  Command command;
  command.argv = {slipway_binary().string(), "plugin", "serve", name};
  return command;
}

ConformanceLimits patient() {
  return {.answer = Millis(60'000), .example = Millis(120'000)};
}

ExternalLimits patient_host() {
  ExternalLimits limits;
  limits.handshake = Millis(60'000);
  return limits;
}

void check_example(const fs::path& program) {
  Verdicts verdicts;
  Command command;
  command.argv = {program.string()};
  check_wire(command, verdicts.on_check(), patient());
  ExternalPlugin plugin(command, program.filename().string(), "", patient_host());
  check_plugin(plugin, verdicts.on_check(), patient());
  CHECK(verdicts.passed >= 14);
  FakeContext context;
  Invocation invocation;
  invocation.action = "greet";
  invocation.params = {{"name", "Ada"}};
  CHECK(plugin.run(invocation, context).outputs == json{{"greeting", "Hello, Ada!"}});
  CHECK_FALSE(context.out.empty());
}

}  // namespace

TEST_CASE("every built-in plugin conforms in process", "[conformance]") {
  Plugins plugins;
  add_builtin_plugins(plugins);
  CHECK_FALSE(plugins.names().empty());
  for (const auto& name : plugins.names()) {
    INFO("plugin " << name);
    Verdicts verdicts;
    auto& plugin = plugins.get(name, ".");
    CHECK(plugin.info().name == name);
    check_plugin(plugin, verdicts.on_check(), patient());
    CHECK(verdicts.passed >= 2);
  }
}

TEST_CASE("every built-in plugin conforms over the wire, and says the same of itself", "[conformance]") {
  Plugins plugins;
  add_builtin_plugins(plugins);
  for (const auto& name : plugins.names()) {
    INFO("plugin " << name);
    Verdicts verdicts;
    check_wire(serve(name), verdicts.on_check(), patient());
    ExternalPlugin far(serve(name), name, "", patient_host());
    check_plugin(far, verdicts.on_check(), patient());
    CHECK(verdicts.passed >= 8);
    const auto& near = plugins.get(name, ".").info();
    CHECK(far.info().version == near.version);
    REQUIRE(far.info().actions.size() == near.actions.size());
    for (std::size_t i = 0; i < near.actions.size(); ++i) {
      CHECK(far.info().actions[i].params == near.actions[i].params);
      CHECK(far.info().actions[i].secrets == near.actions[i].secrets);
    }
  }
}

TEST_CASE("wrong params and actions are refused over the wire too", "[conformance]") {
  ExternalPlugin shell(serve("shell"), "shell", "", patient_host());
  FakeContext context;
  Invocation invocation;
  invocation.action = "run";
  invocation.params = {{"rnu", "true"}};
  try {
    shell.run(invocation, context);
    FAIL("it ran");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::usage);
    CHECK(e.str() ==
          "wrong params for `shell.run`: 2 mistakes\n  | unknown key `rnu` (did you mean `run`?)\n"
          "  | `run` is missing");
  }
  invocation.action = "walk";
  CHECK_THROWS_WITH(shell.run(invocation, context), "plugin `shell` has no action `walk`");
}

TEST_CASE("a failed outcome, output and a stop are the same over the wire", "[conformance]") {
  ExternalPlugin shell(serve("shell"), "shell", "", patient_host());
  TempDir dir(fs::temp_directory_path());
  Invocation invocation;
  invocation.action = "run";
  invocation.project_dir = dir.path();
  invocation.params = {{"run", "echo straße; echo err >&2; exit 3"}};
  {
    FakeContext context;
    const auto outcome = shell.run(invocation, context);
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.failure == "exit 3 in `echo straße; echo err >&2; exit 3`");
    CHECK(context.out == "straße\n");
    CHECK(context.err == "err\n");
  }
  FakeContext context;
  context.on_log = [&](const std::string&) { context.stop_source.request_stop(); };
  invocation.params = {{"run", "echo here; sleep 1000"}};
  CHECK_THROWS_WITH(shell.run(invocation, context), "stopped");
}

TEST_CASE("the bash example conforms, and is short", "[conformance]") {
  check_example(kExamples / "hello.sh");
  const auto text = read_file(kExamples / "hello.sh");
  CHECK(std::count(text.begin(), text.end(), '\n') < 20);
}

TEST_CASE("the Python example conforms", "[conformance]") {
  if (!have("python3")) return;
  check_example(kExamples / "hello.py");
}

TEST_CASE("new plugins of every language conform as they are written", "[conformance]") {
  User user;
  for (const std::string language : {"python", "bash", "cpp"}) {
    INFO(language);
    if (language == "python" && !have("python3")) continue;
    if (language == "cpp" && !have("c++")) continue;
    const auto name = "my-" + language;
    const auto made = user.slipway({"plugin", "new", name, "--lang", language});
    REQUIRE(made.code == 0);
    std::string program = "./" + name + "/" + name;
    if (language == "python") program += ".py";
    if (language == "bash") program += ".sh";
    if (language == "cpp")
      run_capture({.argv = {"c++", "-std=c++17", "-o", program, program + ".cpp"},
                   .cwd = user.dir(),
                   .env = {},
                   .input = {}});
    const auto tested = user.slipway({"plugin", "test", program});
    INFO(tested.out << tested.err);
    CHECK(tested.code == 0);
    CHECK(tested.out.find("passed, 0 failed, 0 skipped\n") != std::string::npos);
  }
  CHECK(user.slipway({"plugin", "new", "my-bash"}).err == "slipway: `my-bash` is there already\n");
  CHECK(user.slipway({"plugin", "new", "My"}).err ==
        "slipway: `My` is no name for a plugin\n  hint: a letter, then letters, digits, - and _, all lower "
        "case\n");
}

TEST_CASE("a program that is no plugin is told off by the test command", "[conformance]") {
  User user;
  const auto tested = user.slipway({"plugin", "test", "/bin/true"});
  CHECK(tested.code == 1);
  CHECK(tested.out ==
        "FAIL  it answers `initialize` with all that is wanted, members it does not know notwithstanding\n"
        "      it ended instead of answering: exit 0\n0 passed, 1 failed, 0 skipped\n");
}

TEST_CASE("plugin list tells what every built-in can do", "[conformance]") {
  const User user;
  const auto text = user.slipway({"plugin", "list"});
  REQUIRE(text.code == 0);
  const auto listed = json::parse(user.slipway({"plugin", "list", "-o", "json"}).out);
  Plugins plugins;
  add_builtin_plugins(plugins);
  std::vector<std::string> names;
  for (const auto& plugin : listed) names.push_back(plugin["name"].get<std::string>());
  auto wanted = plugins.names();
  std::sort(names.begin(), names.end());
  std::sort(wanted.begin(), wanted.end());
  CHECK(names == wanted);
  for (const auto& name : names) {
    INFO(name);
    const auto& info = plugins.get(name, user.dir()).info();
    CHECK_THAT(text.out, Catch::Contains(info.summary));
    for (const auto& action : info.actions) CHECK_THAT(text.out, Catch::Contains(action.summary));
  }
  CHECK_THAT(text.out, Catch::Contains("\n  apply ") && Catch::Contains("(cached"));
}

TEST_CASE("a step uses a program of the project, once for the same params", "[conformance]") {
  User user;
  user.write("slipway.yaml",
             "version: 1\nname: demo\nsteps:\n  - name: hi\n    uses: ./tools/hello.sh\n"
             "    with: {name: Ada}\n");
  user.write("tools/hello.sh", read_file(kExamples / "hello.sh"));
  fs::permissions(user.dir() / "tools/hello.sh", fs::perms::owner_all);
  const auto first = user.slipway({"run", "--progress", "plain", "-o", "json"});
  INFO(first.err);
  REQUIRE(first.code == 0);
  const auto outputs = json::parse(first.out)["steps"][0]["outputs"];
  CHECK(outputs == json{{"greeting", "Hello, Ada!"}});
  const auto second = user.slipway({"run", "-o", "json"});
  CHECK(json::parse(second.out)["steps"][0]["cached"] == json(true));

  user.write("slipway.yaml",
             "version: 1\nname: demo\nsteps:\n  - name: hi\n    uses: ./tools/hello.sh\n"
             "    with: {nmae: Ada}\n");
  const auto wrong = user.slipway({"run"});
  CHECK(wrong.code == 2);
  INFO(wrong.err);
  CHECK(wrong.err.find(
            "wrong params for `hello.greet`: 2 mistakes\n  | unknown key `nmae` (did you mean `name`?)\n"
            "  | `name` is missing\n") != std::string::npos);
}

TEST_CASE("completion scripts are made of the commands", "[conformance]") {
  User user;
  const auto bash = user.slipway({"completion", "bash"});
  REQUIRE(bash.code == 0);
  user.write("complete.bash", bash.out);
  const auto said =
      run_capture({.argv = {"bash", "-c",
                            "source complete.bash; COMP_WORDS=(slipway plugin new --l); COMP_CWORD=3; "
                            "_slipway; echo \"${COMPREPLY[@]}\""},
                   .cwd = user.dir(),
                   .env = {},
                   .input = {}});
  CHECK(said == "--lang\n");
  for (const std::string shell : {"zsh", "fish"}) {
    const auto script = user.slipway({"completion", shell});
    CHECK(script.code == 0);
    CHECK(script.out.find("plugin new") != std::string::npos);
  }
}
