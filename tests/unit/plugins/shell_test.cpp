// `run:` steps: output, failure, environment, secrets and inputs.
#include <catch2/catch.hpp>

#include "plugins/builtin.h"
#include "support/fake_run.h"

using namespace slipway;
using namespace slipway::test;

namespace {

struct ShellRun : FakeRun {
  ShellRun() { add_builtin_plugins(plugins); }
  Step& sh(const std::string& name, json params) {
    auto& step = plan.step(name, {}, std::move(params), "run");
    step.uses = "shell";
    return step;
  }
  std::string output(const std::string& name) {
    std::string out;
    for (const auto& line : step(name).last_lines) out += line + "\n";
    return out;
  }
};

}  // namespace

TEST_CASE("a run step's output is logged and its exit code told", "[shell]") {
  ShellRun r;
  r.sh("good", {{"run", "echo one; echo two >&2"}}).cache = false;
  r.sh("bad", {{"run", "echo before\nfalse\necho never"}}).cache = false;
  r.options.keep_going = true;
  r.run();
  CHECK(r.output("good").find("one\n") != std::string::npos);
  CHECK(r.output("good").find("two\n") != std::string::npos);
  CHECK(r.result_of("bad") == Result::failure);
  CHECK(r.step("bad").message == "exit 1 in `echo before …`");
  CHECK(r.output("bad") == "before\n");
}

TEST_CASE("a run step gets its environment, its folder and its secrets, which are masked", "[shell]") {
  ShellRun r;
  make_dirs(r.dir.path() / "sub");
  write_file_atomic(r.dir.path() / "secret", "hunter22\n");
  r.plan.plan.secrets["pass"] = {SecretSource::Kind::file, (r.dir.path() / "secret").string(), {}};
  auto& step = r.sh("s", {{"run", "basename \"$PWD\"; echo $A; echo \"pw $PASS\"; echo ${#PASS}"},
                          {"cwd", "sub"},
                          {"env", {{"A", "b"}}},
                          {"secret_env", {{"PASS", "pass"}}}});
  step.secrets = {"pass"};
  step.cache = false;
  r.run();
  CHECK(r.output("s") == "sub\nb\npw ***\n8\n");
}

TEST_CASE("a run step with inputs runs again only when one of them changes", "[shell]") {
  ShellRun r;
  make_dirs(r.dir.path() / "src/deep");
  write_file_atomic(r.dir.path() / "src/deep/a.txt", "1");
  r.sh("s", {{"run", "echo x >>../count"}, {"cwd", "src"}, {"inputs", {"src/**/*.txt"}}});
  r.run();
  r.run();
  CHECK(read_file(r.dir.path() / "count") == "x\n");
  CHECK(r.step("s").cached);
  write_file_atomic(r.dir.path() / "src/deep/a.txt", "2");
  r.run();
  CHECK(read_file(r.dir.path() / "count") == "x\nx\n");
}

TEST_CASE("a run step that cannot be is told before it runs", "[shell]") {
  ShellRun r;
  r.sh("s", {{"run", "true"}, {"cwd", "../.."}}).cache = false;
  r.run();
  CHECK(r.step("s").message == "`../..` leads out of the project");
  ShellRun q;
  q.sh("s", {{"run", "true"}, {"inputs", {"nothing/*.c"}}});
  q.run();
  CHECK(q.step("s").message == "no file matches the input `nothing/*.c`");
}
