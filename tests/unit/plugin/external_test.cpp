// Plugins that are programs, and how those are told off that do not behave: every whole message.
#include "plugin/external.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "support/fake_context.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;

namespace {

constexpr const char* kHello =
    R"('{"jsonrpc":"2.0","id":1,"result":{"protocol":{"min":1,"max":1},"name":"odd","version":"1",)"
    R"("actions":[{"name":"do","secrets":["token"],"cacheable":true}]}}')";

ExternalLimits quick() {
  return {.handshake = Millis(20'000),
          .cancel = Millis(100),
          .terminate = Millis(100),
          .fingerprint = Millis(20'000)};
}

Command bash(const std::string& script) {
  Command command;
  command.argv = {"bash", "-c", script};
  return command;
}

// A child that shakes hands, reads one request and does `body`.
ExternalPlugin odd(const std::string& body, ExternalLimits limits = quick()) {
  return ExternalPlugin(bash(fmt::format("read -r l; echo {}\nread -r l\n{}", kHello, body)), "./odd", "",
                        limits);
}

Invocation call() {
  Invocation invocation;
  invocation.action = "do";
  invocation.params = json::object();
  return invocation;
}

template <typename F>
std::string error_of(F&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.str();
  }
  return "no error";
}

std::string run_error(const std::string& body) {
  auto plugin = odd(body);
  FakeContext context;
  return error_of([&] { plugin.run(call(), context); });
}

constexpr const char* kOk = R"(echo '{"jsonrpc":"2.0","id":2,"result":{"ok":true}}')";

}  // namespace

TEST_CASE("a program that shakes hands and answers is a plugin", "[plugin]") {
  auto plugin = odd(R"(echo '{"jsonrpc":"2.0","method":"log","params":{"id":2,"text":"hi\n"}}'
    echo '{"jsonrpc":"2.0","method":"progress","params":{"id":2,"text":"half","current":1,"total":2}}'
    echo '{"jsonrpc":"2.0","method":"event","params":{"id":2,"kind":"artifact","data":{"n":1}}}'
    echo '{"jsonrpc":"2.0","method":"news","params":{"id":2}}'
    echo '{"jsonrpc":"2.0","id":2,"result":{"ok":true,"outputs":{"made":1}}}'; read -r l)");
  CHECK(plugin.info().name == "odd");
  FakeContext context;
  const auto outcome = plugin.run(call(), context);
  CHECK(outcome.ok);
  CHECK(outcome.outputs == json{{"made", 1}});
  CHECK(context.out == "hi\n");
  CHECK(context.progressed == std::vector<std::string>{"half"});
  CHECK(context.events == std::vector<std::string>{"artifact {\"n\":1}"});
}

TEST_CASE("a failed outcome and an error come over the wire whole", "[plugin]") {
  auto plugin = odd(R"(
    echo '{"jsonrpc":"2.0","id":2,"result":{"ok":false,"failure":"2 of 3 red","exit_code":4,"detail":"x"}}'; read -r l
    echo '{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"no login","data":{"exit":3,"hint":"log in","trail":["while pushing"],"retryable":true}}}'
    read -r l)");
  FakeContext context;
  const auto outcome = plugin.run(call(), context);
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.failure == "2 of 3 red");
  CHECK(outcome.exit_code == 4);
  CHECK(outcome.detail == "x");
  try {
    plugin.run(call(), context);
    FAIL("it passed");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::auth);
    CHECK(e.is_retryable());
    CHECK(e.str() == "no login\n  while pushing\n  hint: log in");
  }
}

TEST_CASE("a program that does not shake hands is told off in time", "[plugin]") {
  auto limits = quick();
  limits.handshake = Millis(200);
  CHECK(error_of([&] { ExternalPlugin(bash("sleep 100"), "./mute", "", limits); }) ==
        "plugin `./mute` did not answer `initialize` within 0.2s\n"
        "  hint: a plugin reads requests from stdin and answers on stdout; see plugins/PROTOCOL.md");
  limits.handshake = Millis(3000);  // enough for a busy machine to start the shell
  CHECK(error_of([&] { ExternalPlugin(bash("echo starting >&2; sleep 100"), "./mute", "", limits); }) ==
        "plugin `./mute` did not answer `initialize` within 3.0s\n  | starting\n"
        "  hint: a plugin reads requests from stdin and answers on stdout; see plugins/PROTOCOL.md");
}

TEST_CASE("a program without a common protocol number is not used", "[plugin]") {
  CHECK(error_of([&] {
          ExternalPlugin(bash(R"(read -r l
            echo '{"jsonrpc":"2.0","id":1,"result":{"protocol":{"min":7,"max":9},"name":"n","version":"1"}}'; read -r l)"),
                         "./new", "", quick());
        }) ==
        "plugin `./new` speaks protocol 7 to 9, and this slipway speaks 1 to 1\n"
        "  hint: use a version of the plugin, or of slipway, that shares a number");
  CHECK(error_of([&] {
          ExternalPlugin(bash(R"(read -r l
            echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"I want protocol 9"}}'; read -r l)"),
                         "./new", "", quick());
        }) == "plugin `./new` refused `initialize`: I want protocol 9");
}

TEST_CASE("a program that describes itself wrongly is told what is wrong", "[plugin]") {
  const auto with = [](const std::string& rest) {
    return error_of([&] {
      ExternalPlugin(
          bash(fmt::format("read -r l; echo '{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"protocol\":"
                           "{{\"min\":1,\"max\":1}},{}}}}}'; read -r l",
                           rest)),
          "./odd", "", quick());
    });
  };
  CHECK(with(R"("name":"odd","version":1,"actions":[{}])") ==
        "plugin `./odd`: its answer to `initialize`: 2 mistakes\n  | `actions[0].name` is missing\n"
        "  | `version` has to be a string, not an integer (1)");
  CHECK(with(R"("name":"odd","version":"1","actions":[{"name":"a"},{"name":"a"}])") ==
        "plugin `./odd`: its answer to `initialize`: there are two actions `a`");
  CHECK(
      with(R"("name":"odd","version":"1","actions":[{"name":"a","params":{"requird":["x"]}}])") ==
      "plugin `./odd`: its answer to `initialize`: the params of `a`: `requird`: slipway does not know this "
      "word of JSON Schema\n  hint: did you mean `required`?");
}

TEST_CASE("what is no message on stdout is quoted", "[plugin]") {
  CHECK(run_error("echo 'Collecting flask==3.0'; read -r l") ==
        "plugin `./odd`: line 2 of its stdout is no message: `Collecting flask==3.0`\n"
        "  while it was asked to `run`\n  hint: stdout is for messages: print to stderr, or send `log`");
  CHECK(run_error("printf '[%.0s' {1..5000}; echo; read -r l")
            .starts_with("plugin `./odd`: line 2 of its stdout is no"));
}

TEST_CASE("a line of 2 MiB is refused", "[plugin]") {
  CHECK(run_error("head -c 2097152 /dev/zero | tr '\\0' x; read -r l") ==
        "plugin `./odd` sent a line longer than 1048576 bytes\n  while it was asked to `run`\n"
        "  hint: large results belong into files: send their paths");
}

TEST_CASE("a program that dies in mid-run is told with its status and last words", "[plugin]") {
  CHECK(run_error("echo 'no space left' >&2; exit 3") ==
        "plugin `./odd` ended without an answer: exit 3\n  while it was asked to `run`\n  | no space left");
  CHECK(run_error("kill -SEGV $$") ==
        "plugin `./odd` ended without an answer: killed by SIGSEGV\n  while it was asked to `run`");
}

TEST_CASE("a program that only writes to stderr is heard, and ends as it ends", "[plugin]") {
  auto plugin = odd("seq -f 'line %g' 1 30 >&2");
  FakeContext context;
  CHECK(error_of([&] { plugin.run(call(), context); })
            .starts_with("plugin `./odd` ended without an answer: exit 0\n  while it was asked to `run`\n"
                         "  | line 21\n"));
  CHECK(context.err.find("line 1\n") != std::string::npos);
  CHECK(context.err.find("line 30\n") != std::string::npos);
}

TEST_CASE("a program that ended is started again for the next call", "[plugin]") {
  TempDir dir(fs::temp_directory_path());
  auto plugin = odd(fmt::format("[ -e {0} ] || {{ touch {0}; exit 1; }}\n{1}\nread -r l",
                                (dir.path() / "x").string(), kOk));
  FakeContext context;
  CHECK_THROWS(plugin.run(call(), context));
  CHECK(plugin.run(call(), context).ok);
}

TEST_CASE("a program that ignores cancel is ended, with all it started", "[plugin]") {
  auto plugin = odd("trap '' TERM; sleep 1000 & echo \"pid $!\" >&2; wait; wait; sleep 1000");
  FakeContext context;
  context.on_log = [&](const std::string& text) {
    if (text.find("pid ") != std::string::npos) context.stop_source.request_stop();
  };
  CHECK(error_of([&] { plugin.run(call(), context); }) ==
        "plugin `./odd` did not stop within 0.1s of `cancel` and was ended");
  const pid_t left = std::stoi(context.err.substr(context.err.find("pid ") + 4));
  CHECK(eventually([&] {
    const auto stat = read_file_if_exists(fmt::format("/proc/{}/stat", left));
    return !stat || stat->find(") Z") != std::string::npos;
  }));
}

TEST_CASE("a program that hears cancel answers in its own words", "[plugin]") {
  auto limits = quick();
  limits.cancel = Millis(20'000);
  auto plugin = odd(R"(echo ready >&2; read -r l; echo "$l" >&2
    echo '{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"stopped","data":{"exit":130}}}'; read -r l)",
                    limits);
  FakeContext context;
  context.on_log = [&](const std::string&) { context.stop_source.request_stop(); };
  CHECK(error_of([&] { plugin.run(call(), context); }) == "stopped");
  CHECK(context.err.find(R"({"jsonrpc":"2.0","method":"cancel","params":{"id":2}})") != std::string::npos);
}

TEST_CASE("a flood of logs arrives whole and in order, however slowly it is read", "[plugin]") {
  auto plugin = odd(R"(for i in {1..20000}; do
    echo '{"jsonrpc":"2.0","method":"log","params":{"id":2,"text":"'$i' 0123456789012345678901234567890123456789\n"}}'
  done; echo '{"jsonrpc":"2.0","id":2,"result":{"ok":true}}'; read -r l)");
  FakeContext context;
  CHECK(plugin.run(call(), context).ok);
  CHECK(std::count(context.out.begin(), context.out.end(), '\n') == 20000);
  CHECK(context.out.find("\n20000 0123") != std::string::npos);
}

TEST_CASE("an answer to an unknown request is told", "[plugin]") {
  CHECK(run_error(R"(echo '{"jsonrpc":"2.0","id":99,"result":{"ok":true}}'; read -r l)") ==
        "plugin `./odd` answered request 99, which nobody sent\n  while it was asked to `run`");
}

TEST_CASE("a second answer ends the use of the plugin", "[plugin]") {
  auto plugin = odd(fmt::format("{0}; {0}; read -r l", kOk));
  FakeContext context;
  CHECK(plugin.run(call(), context).ok);
  const auto said = error_of([&] { plugin.run(call(), context); });
  INFO(said);
  CHECK(said.starts_with("plugin `./odd` answered request 2 twice"));
}

TEST_CASE("an answer that holds the wrong things is told", "[plugin]") {
  CHECK(run_error(R"(echo '{"jsonrpc":"2.0","id":2,"result":{"ok":"yes"}}'; read -r l)") ==
        "plugin `./odd`: its answer: `ok` has to be a boolean, not a string (\"yes\")");
  CHECK(run_error(R"(echo '{"jsonrpc":"2.0","id":2}'; read -r l)") ==
        "plugin `./odd` answered request 2 with neither `result` nor `error`\n  while it was asked to `run`");
}

TEST_CASE("secrets travel in run only, and only those declared", "[plugin]") {
  auto plugin = odd(R"(echo "$l" >&2; echo '{"jsonrpc":"2.0","id":2,"result":null}'; read -r l
    echo "$l" >&2; env >&2; echo '{"jsonrpc":"2.0","id":3,"result":{"ok":true}}'; read -r l)");
  FakeContext context;
  auto invocation = call();
  invocation.secrets.emplace("token", Secret("t0ps3cret"));
  invocation.secrets.emplace("other", Secret("0th3r"));
  CHECK(plugin.fingerprint(invocation, context).is_null());
  CHECK(context.err.find("t0ps3cret") == std::string::npos);
  CHECK(plugin.run(invocation, context).ok);
  CHECK(context.err.find(R"("secrets":{"token":"t0ps3cret"})") != std::string::npos);
  CHECK(context.err.find("0th3r") == std::string::npos);
}

TEST_CASE("params that fit into no line are refused before they are sent", "[plugin]") {
  auto plugin = odd("read -r l");
  FakeContext context;
  auto invocation = call();
  invocation.params["text"] = std::string(2 << 20, 'x');
  CHECK(error_of([&] {
          plugin.run(invocation, context);
        }).starts_with("the params for plugin `./odd` are too large: "));
}

TEST_CASE("a plugin by its path is found, or told why not", "[plugin]") {
  TempDir dir(fs::temp_directory_path());
  write_file_atomic(dir.path() / "plain", "x");
  CHECK(error_of([&] { start_external_plugin("./none", dir.path()); }) ==
        "there is no plugin at `./none`\n  hint: `uses` with a `/` names an executable, relative to the "
        "project");
  CHECK(error_of([&] { start_external_plugin("./plain", dir.path()); }) ==
        "the plugin `./plain` is not executable\n  hint: chmod +x ./plain");
}
