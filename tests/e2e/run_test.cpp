// slipway run and its relatives as a user meets them: a spec of commands, the real binary, its words and
// exit codes.
#include <catch2/catch.hpp>
#include <csignal>
#include <regex>

#include "support/live.h"
#include "support/slipway.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

std::string times_alike(const std::string& text) {
  return std::regex_replace(text, std::regex("[0-9]+\\.[0-9]s"), "0.0s");
}

std::vector<json> events_in(const std::string& text) {
  std::vector<json> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto to = text.find('\n', from);
    REQUIRE(to != std::string::npos);
    out.push_back(json::parse(text.substr(from, to - from)));
    from = to + 1;
  }
  return out;
}

// How each step ended: "cached" or its result.
std::map<std::string, std::string> endings(const std::vector<json>& events) {
  std::map<std::string, std::string> out;
  for (const auto& event : events)
    if (event["type"] == "step.finished")
      out[event["step"].get<std::string>()] =
          event.value("cached", false) ? "cached" : event["result"].get<std::string>();
  return out;
}

std::map<std::string, std::string> journal_of(const User& user, const std::string& run) {
  return endings(events_in(read_file(user.state() / "runs" / run / "events.ndjson")));
}

bool appears(const fs::path& file) {
  return eventually([&] { return fs::exists(file) && fs::file_size(file) > 0; });
}

bool gone(const fs::path& pid_file) {
  const auto pid = std::stoi(read_file(pid_file));
  return eventually([&] { return ::kill(pid, 0) != 0; });
}

}  // namespace

TEST_CASE("a run as a CI log shows it: steps, logs, the failure with its place, and what to do", "[run]") {
  User user;
  user.env["LC_ALL"] = "C.UTF-8";
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - name: compile
    run: echo compiling
    inputs: [slipway.yaml]
  - name: check
    after: compile
    run: |
      echo "3 of 4 are fine"
      printf '\033[31mone is not\033[0m\n' >&2
      exit 3
  - name: publish
    after: check
    run: touch published
)");
  const auto ran = user.slipway({"run", "-j1"});
  CHECK(ran.code == 1);
  CHECK(ran.out.empty());
  CHECK_FALSE(fs::exists(user.dir() / "published"));
  CHECK(times_alike(ran.err) == R"(slipway )" SLIPWAY_VERSION R"(  run r-1  demo
[../3] run     compile  first run
compile | compiling
[ 1/3] ok      compile  0.0s
[../3] run     check
check   | 3 of 4 are fine
check   | one is not
[ 2/3] FAIL    check    0.0s  failed: exit 3 in `echo "3 of 4 are fine" …`
[ 3/3] skip    publish  needs `check`, which failed

✘ check failed: exit 3 in `echo "3 of 4 are fine" …` (after 0.0s)
  slipway.yaml:7:11
       7 |   - name: check
         |           ^~~~~
  its log
  │ 3 of 4 are fine
  │ one is not

✘ demo FAILED after 0.0s (exit 1) · run r-1 · 1 failed, 1 ran, 1 skipped
  next  slipway resume r-1   goes on, keeps what is done
)");
}

TEST_CASE("steps that wait for nothing run at the same time", "[run]") {
  User user;
  // Each opens one end of both pipes: alone, either would wait for ever.
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - name: pipes
    run: mkfifo one two
  - {name: left, after: pipes, timeout: 20s, run: "echo hi >one; cat two"}
  - {name: right, after: pipes, timeout: 20s, run: "cat one; echo ho >two"}
)");
  const auto ran = user.slipway({"run", "-j2"});
  INFO(ran.err);
  CHECK(ran.code == 0);
}

TEST_CASE("nothing unchanged runs again, and why says what changed", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: gen, run: "cat in.txt; echo x >>count", inputs: [in.txt]}
)");
  user.write("in.txt", "one\n");
  REQUIRE(user.slipway({"run"}).code == 0);
  const auto again = user.slipway({"run"});
  CHECK(again.code == 0);
  CHECK(again.err.find("nothing to do, all 1 steps are as they were") != std::string::npos);
  CHECK(user.slipway({"why", "gen"}).out ==
        "gen did not run in r-2: nothing it depends on changed, outcome from r-1\n");

  user.write("in.txt", "two\n");
  REQUIRE(user.slipway({"run"}).code == 0);
  const auto why = user.slipway({"why", "gen"});
  INFO(why.out << why.err);
  CHECK(why.out.find("in r-3: in.txt changed\n  in.txt  ") != std::string::npos);
  CHECK(read_file(user.dir() / "count") == "x\nx\n");
  const auto as_json = json::parse(user.slipway({"why", "gen", "-o", "json"}).out);
  CHECK(as_json["reason"]["why"] == "changed");
  CHECK(as_json["cached"] == false);

  REQUIRE(user.slipway({"run", "--no-cache"}).code == 0);
  CHECK(read_file(user.dir() / "count") == "x\nx\nx\n");
  CHECK(user.slipway({"why", "gen", "--run", "r-1"}).out.find("gen ran") == 0);

  const auto unknown = user.slipway({"why", "gne"});
  CHECK(unknown.code == 2);
  CHECK(unknown.err == "slipway: no kept run has a step `gne`\n  hint: did you mean `gen`?\n");
}

TEST_CASE("keep-going runs what does not depend on the failure", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: bad, run: "exit 1"}
  - {name: after-bad, after: bad, run: "touch after-bad"}
  - {name: good, run: "true"}
  - {name: after-good, after: good, run: "touch after-good"}
  - {name: notes, after: after-bad, if: always(), run: "touch notes"}
)");
  CHECK(user.slipway({"run", "-j1"}).code == 1);
  CHECK_FALSE(fs::exists(user.dir() / "after-good"));
  CHECK(fs::exists(user.dir() / "notes"));
  CHECK(user.slipway({"run", "-j1", "-k"}).code == 1);
  CHECK(fs::exists(user.dir() / "after-good"));
  CHECK_FALSE(fs::exists(user.dir() / "after-bad"));
}

TEST_CASE("a step that takes too long is stopped, with what it started", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: slow, timeout: 300ms, run: "sleep 1000 & echo $! >pid; wait"}
)");
  const auto ran = user.slipway({"run"});
  CHECK(ran.code == 8);
  CHECK(ran.err.find("took longer than 0.3s") != std::string::npos);
  CHECK(gone(user.dir() / "pid"));
}

TEST_CASE("^C: running steps are asked to stop and may clean up, nothing new starts", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - name: work
    run: |
      trap 'echo yes >cleaned; exit 1' TERM
      echo started >started
      sleep 1000 & wait
  - {name: next, after: work, run: "touch next"}
)");
  for (const auto& [number, code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    fs::remove(user.dir() / "started");
    fs::remove(user.dir() / "cleaned");
    Live live(user, {"run"});
    REQUIRE(appears(user.dir() / "started"));
    live.signal(number);
    CHECK(live.end() == code);
    CHECK(fs::exists(user.dir() / "cleaned"));
    CHECK_FALSE(fs::exists(user.dir() / "next"));
  }
  CHECK(journal_of(user, "r-1") ==
        std::map<std::string, std::string>{{"work", "cancellation"}, {"next", "skip"}});
}

TEST_CASE("^C twice leaves at once, and leaves no process behind", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - name: deaf
    run: |
      trap '' TERM
      echo $$ >pid
      while :; do sleep 1; done
)");
  Live live(user, {"run"});
  REQUIRE(appears(user.dir() / "pid"));
  live.signal(SIGINT);
  REQUIRE(live.says("stopping 1 running step (again: leave now)"));
  live.signal(SIGINT);
  CHECK(live.end() == 130);
  CHECK(gone(user.dir() / "pid"));
  CHECK(journal_of(user, "r-1") == std::map<std::string, std::string>{{"deaf", "cancellation"}});
}

TEST_CASE("kill -9, then resume: what was done stays done, the rest is done once", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: once, run: "echo once >>log"}
  - {name: kept, run: "echo kept >>log", inputs: [slipway.yaml]}
  - {name: torn, after: [once, kept], run: "echo $$ >pid; [ -e go ] || exec sleep 1000; echo torn >>log"}
  - {name: last, after: torn, run: "echo last >>log"}
)");
  CHECK(user.slipway({"resume"}).code == 2);  // nothing ran yet
  {
    Live live(user, {"run", "-j1"});
    REQUIRE(appears(user.dir() / "pid"));
    CHECK(user.slipway({"resume"}).err.find("nothing ran yet") != std::string::npos);  // it still goes on
    live.signal(SIGKILL);
    live.end();
    ::kill(std::stoi(read_file(user.dir() / "pid")), SIGKILL);
  }
  CHECK(user.slipway({"runs"}).out.find("crashed") != std::string::npos);
  user.write("go", "");
  // The spec may have changed meanwhile: a resumed run keeps to its own plan.
  user.write("other.yaml", "version: 1\nname: other\nsteps: [{name: x, run: touch x}]\n");
  const auto resumed = user.slipway({"resume"});
  INFO(resumed.err);
  CHECK(resumed.code == 0);
  CHECK(read_file(user.dir() / "log") == "once\nkept\ntorn\nlast\n");
  CHECK(journal_of(user, "r-2") ==
        std::map<std::string, std::string>{
            {"once", "cached"}, {"kept", "cached"}, {"torn", "success"}, {"last", "success"}});
  const auto nothing = user.slipway({"resume"});
  CHECK(nothing.code == 0);
  CHECK(nothing.err == "run r-2 succeeded: there is nothing to resume\n");
  CHECK(user.slipway({"resume", "r-9"}).err ==
        "slipway: there is no run `r-9`\n  hint: the last one is `r-2`\n");
}

TEST_CASE("the event stream goes to a file or stdout, the result as JSON to stdout", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: a, run: echo hi}
  - {name: b, after: a, run: "exit 4"}
)");
  const auto ran =
      user.slipway({"run", "--events", "events.ndjson", "-o", "json", "--junit", "out/junit.xml"});
  CHECK(ran.code == 1);
  const auto result = json::parse(ran.out);
  CHECK(result["run"] == "r-1");
  CHECK(result["result"] == "failure");
  CHECK(result["exit"] == 1);
  CHECK(result["steps"][1]["name"] == "b");
  CHECK(result["steps"][1]["result"] == "failure");
  CHECK(result["critical_path"] == json{"a", "b"});

  const auto text = read_file(user.dir() / "events.ndjson");
  CHECK(text == read_file(user.state() / "runs/r-1/events.ndjson"));
  const auto events = events_in(text);
  CHECK(events.front()["type"] == "run.started");
  CHECK(events.back()["type"] == "run.finished");
  for (std::size_t i = 0; i < events.size(); ++i) CHECK(events[i]["seq"] == i);
  CHECK(read_file(user.dir() / "out/junit.xml").find("<failure message=\"exit 4 in `exit 4`\"") !=
        std::string::npos);

  const auto streamed = user.slipway({"run", "--events", "-", "--progress", "quiet", "a"});
  CHECK(streamed.code == 0);
  CHECK(streamed.err.empty());
  CHECK(endings(events_in(streamed.out)) == std::map<std::string, std::string>{{"a", "success"}});

  const auto refused = user.slipway({"run", "--events", "fd:77"});
  CHECK(refused.code == 2);
  CHECK(refused.err ==
        "slipway: `fd:77` is no open file descriptor\n"
        "  hint: open it first, as in `slipway run --events fd:3 3>events.ndjson`\n");
}

TEST_CASE("the history: a list, one run, one log", "[run]") {
  User user;
  user.write("slipway.yaml", "version: 1\nname: demo\nsteps: [{name: talk, run: 'echo one; echo two'}]\n");
  CHECK(user.slipway({"runs"}).err == "nothing ran yet\n");
  REQUIRE(user.slipway({"run"}).code == 0);
  const auto list = json::parse(user.slipway({"runs", "-o", "json"}).out);
  REQUIRE(list.size() == 1);
  CHECK(list[0]["run"] == "r-1");
  CHECK(list[0]["result"] == "success");
  CHECK(user.slipway({"runs", "r-1", "--log", "talk"}).out == "one\ntwo\n");
  CHECK(user.slipway({"runs", "r-1"}).out.find("talk  success") == 0);
  CHECK(user.slipway({"runs", "r-1", "--log", "talc"}).err ==
        "slipway: run `r-1` has no step `talc`\n  hint: did you mean `talk`?\n");
  // A refused run leaves no trace in it.
  CHECK(user.slipway({"run", "nope"}).code == 2);
  CHECK(json::parse(user.slipway({"runs", "-o", "json"}).out).size() == 1);
}

TEST_CASE("a saved plan is run as it was saved", "[run]") {
  User user;
  user.write("slipway.yaml", "version: 1\nname: demo\nsteps: [{name: a, run: touch made}]\n");
  REQUIRE(user.slipway({"run"}).code == 0);
  fs::copy(user.state() / "runs/r-1/plan.json", user.dir() / "plan.json");
  fs::remove(user.dir() / "made");
  fs::remove(user.dir() / "slipway.yaml");
  CHECK(user.slipway({"run", "--plan", "plan.json"}).code == 0);
  CHECK(fs::exists(user.dir() / "made"));
  CHECK(user.slipway({"run", "--plan", "plan.json", "a"}).err ==
        "slipway: a saved plan is run whole\n  hint: leave out the names and --phase\n");
  user.write("plan.json", "[]");
  CHECK(user.slipway({"run", "--plan", "plan.json"}).err ==
        "slipway: this is no plan of slipway\n  while reading `plan.json`\n");
}

TEST_CASE("on a terminal the running steps are redrawn and the story stays", "[run]") {
  if (!have("script")) return;
  User user;
  user.env["TERM"] = "xterm";
  user.env["LC_ALL"] = "C.UTF-8";
  user.write("slipway.yaml", "version: 1\nname: demo\nsteps: [{name: talk, run: 'echo one'}]\n");
  Command command = user.command({});
  command.argv = {"script", "-qec", slipway_binary().string() + " run", "/dev/null"};
  std::string screen;
  const auto finished = run_process(command, [&](Stream, std::string_view text) { screen += text; });
  CHECK(finished.status.ok());
  CHECK(screen.find("\x1b[?2026h") != std::string::npos);
  CHECK(times_alike(screen).find("✔ demo done in 0.0s · run r-1 · 1 ran") != std::string::npos);
}

TEST_CASE("as many runs are kept as the spec says", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps: [{name: work, run: "true"}]
retain: {runs: 2, cache: 1GB}
)");
  for (int i = 0; i < 4; ++i) REQUIRE(user.slipway({"run"}).code == 0);
  const auto runs = json::parse(user.slipway({"runs", "-o", "json"}).out);
  CHECK(runs.size() == 2);
  CHECK(user.slipway({"cache", "gc"}).code == 0);
  user.write("elsewhere/x", "");
  CHECK(user.slipway({"cache", "gc"}, "elsewhere").code == 0);
}

TEST_CASE("the cache can be looked at, shrunk and emptied, but not under a run", "[run]") {
  User user;
  user.write("slipway.yaml", R"(version: 1
name: demo
steps:
  - {name: gen, run: "echo x >>count", inputs: [slipway.yaml]}
  - {name: hold, run: "echo $$ >pid; [ ! -e wait ] || exec sleep 1000"}
)");
  REQUIRE(user.slipway({"run"}).code == 0);
  CHECK(json::parse(user.slipway({"cache", "-o", "json"}).out)["outcomes"] == 1);
  CHECK(user.slipway({"cache", "gc", "--keep", "1GB"}).out ==
        "freed 0 B: 0 blobs, 0 snapshots; forgot 0 outcomes\n");
  CHECK(user.slipway({"cache", "gc", "--keep", "much"}).err ==
        "slipway: `much` is no size\n  hint: write 20GB or 500MB\n");
  user.write("wait", "");
  fs::remove(user.dir() / "pid");
  {
    Live live(user, {"run"});
    REQUIRE(appears(user.dir() / "pid"));
    const auto refused = user.slipway({"cache", "clear"});
    CHECK(refused.code == 7);
    CHECK(refused.err ==
          "slipway: run `r-2` is going on and uses the cache\n  hint: try again when it has ended\n");
    live.signal(SIGINT);
    live.end();
  }
  CHECK(user.slipway({"cache", "clear"}).out.find("forgot 1 outcomes") != std::string::npos);
  fs::remove(user.dir() / "wait");
  REQUIRE(user.slipway({"run"}).code == 0);
  CHECK(read_file(user.dir() / "count") == "x\nx\n");
}
