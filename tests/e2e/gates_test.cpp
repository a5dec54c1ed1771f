// What stands before a rollout, as people meet it: another environment that has to serve the same, somebody
// who has to agree, runs that take turns. Two environments of one project on this machine.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/error.h"
#include "support/busybox_root.h"
#include "support/live.h"
#include "support/slipway.h"
#include "support/terminal.h"
#include "sys/account.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

bool ready() {
  if (::geteuid() != 0) {
    WARN("skipped: needs root");
    return false;
  }
  return have("haproxy") && have("iptables") && have("busybox") && (have("crun") || have("runc"));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A project `blog` that is rolled out to `staging` and, behind what `gates` says, to `prod`.
struct Blog {
  User user;
  int staging = free_port(), prod = free_port();

  explicit Blog(const std::string& gates) {
    make_dirs(user.dir() / "blog/web");
    make_busybox_root(user.dir() / "blog/web/rootfs");
    user.env["LC_ALL"] = "C.UTF-8";
    user.write(
        "blog/web/Dockerfile",
        "FROM scratch\nCOPY rootfs/ /\nCOPY index.html ok /www/\nCOPY start /\nCMD [\"sh\", \"/start\"]\n");
    user.write("blog/web/ok", "ok");
    serve("one");
    spec(gates);
  }
  ~Blog() {
    for (const char* environment : {"staging", "prod"})
      user.slipway({"down", "--volumes", "--yes", "--env", environment}, "blog");
  }
  void serve(const std::string& text, const std::string& start = "exec httpd -f -p 8080 -h /www") const {
    user.write("blog/web/index.html", text);
    user.write("blog/web/start", start + "\n");
  }
  void spec(const std::string& gates, const std::string& more = "") const {
    user.write("blog/slipway.yaml", fmt::format(R"(version: 1
name: blog
images: {{web: {{context: web}}}}
services:
  web:
    image: web
    port: 8080
    publish: ${{{{ vars.port }}}}
    stop_grace_period: 300ms
    healthcheck: {{http: /ok, interval: 50ms, timeout: 1s, retries: 40}}
{}environments:
  staging: {{target: {{kind: local}}, vars: {{port: "{}"}}}}
  prod:
    target: {{kind: local}}
    vars: {{port: "{}"}}
{})",
                                                more, staging, prod, gates));
  }
  Ran slipway(std::vector<std::string> args) const { return user.slipway(std::move(args), "blog"); }
  Ran good(std::vector<std::string> args) const {
    auto ran = slipway(std::move(args));
    INFO(ran.err << ran.out);
    REQUIRE(ran.code == 0);
    return ran;
  }
  std::string get(int port) const {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/", port);
    try {
      const auto response = HttpClient().send(request);
      return response.status == 200 ? response.body : fmt::format("status {}", response.status);
    } catch (const Error& e) {
      return e.message();
    }
  }
  // The events of a run that say something of an approval, without their envelopes.
  std::vector<json> approvals(const std::string& run) const {
    std::vector<json> out;
    const auto text = read_file(user.state() / "runs" / run / "events.ndjson");
    for (std::size_t from = 0; from < text.size();) {
      const auto to = text.find('\n', from);
      auto event = json::parse(text.substr(from, to - from));
      if (event["type"] == "approval") out.push_back(std::move(event));
      from = to + 1;
    }
    return out;
  }
};

const std::string kAsks = "waits for anybody to approve: slipway approve r-";

}  // namespace

TEST_CASE("a rollout waits until somebody approves, from another terminal, of what it would change",
          "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {}\n");
  Live live(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(live.says(kAsks + "1"));
  INFO(live.said());
  CHECK(contains(live.said(), "hold    approval.prod"));
  CHECK(contains(live.said(), "approval.prod | web: starts, 1 of it"));
  CHECK(contains(live.said(), "`slipway approve r-1` on this machine lets it go on"));
  CHECK(contains(blog.good({"runs"}).out, "approval?"));

  const auto elsewhere = blog.slipway({"approve", "--env", "staging"});
  CHECK(elsewhere.code == 2);
  CHECK(contains(elsewhere.err, "no run waits for approval to roll out to `staging`"));
  CHECK(blog.good({"approve", "--why", "looks good"}).out ==
        "approved: blog → prod, run r-1\n  web: starts, 1 of it\n");
  CHECK(live.end() == 0);
  INFO(live.said());
  const auto me = own_account().name;
  CHECK(contains(live.said(), "approved by " + me + ": looks good"));
  CHECK(blog.get(blog.prod) == "one");

  const auto events = blog.approvals("r-1");
  REQUIRE(events.size() == 2);
  CHECK(events[0]["state"] == "asked");
  CHECK(events[0]["lines"] == json{"web: starts, 1 of it"});
  CHECK(contains(events[0]["images"]["web"].get<std::string>(), "sha256:"));
  CHECK(events[1]["state"] == "approved");
  CHECK(events[1]["by"] == me);
  CHECK(events[1]["uid"] == ::geteuid());
  CHECK(events[1]["how"] == "command");
  CHECK(contains(blog.good({"runs", "r-1"}).out, "approved by " + me + ": looks good"));
  CHECK(contains(blog.good({"why", "approval.prod"}).out, "approved by " + me + ": looks good, 20"));
  CHECK(blog.slipway({"approve", "r-1"}).code == 2);

  // Nothing to change, nobody to ask.
  const auto again = blog.good({"run", "--env", "prod"});
  CHECK(contains(again.err, "nothing would change: nobody is asked"));
  CHECK(contains(again.err, "nothing to do, all"));
}

TEST_CASE("other steps go on while a rollout waits, also with one job", "[gates]") {
  if (!ready()) return;
  Blog blog("");
  blog.spec("    approval: {}\n",
            "steps:\n  - {name: slow, after: images.web, run: 'while [ ! -e ../go ]; do sleep 0.01; done'}\n"
            "  - {name: other, after: slow, run: 'echo ran > ../other'}\n");
  Live live(blog.user, {"run", "--env", "prod", "-j1"}, "blog");
  // The only job is `slow`'s, and somebody is asked all the same.
  REQUIRE(live.says(kAsks + "1"));
  CHECK_FALSE(fs::exists(blog.user.dir() / "other"));
  blog.user.write("go", "");
  CHECK(eventually([&] { return fs::exists(blog.user.dir() / "other"); }));
  blog.good({"approve"});
  CHECK(live.end() == 0);
}

TEST_CASE("a denial ends the run with its reason, and nothing is rolled out", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {}\n");
  Live live(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(live.says(kAsks));
  CHECK(blog.slipway({"deny", "r-1"}).code == 2);  // it wants a reason
  blog.good({"deny", "r-1", "--why", "on Fridays never"});
  CHECK(live.end() == 7);
  CHECK(contains(live.said(), "denied by " + own_account().name + ": on Fridays never"));
  CHECK(contains(blog.good({"status", "--env", "prod"}).out, "nothing runs"));
  CHECK(contains(blog.good({"why", "approval.prod"}).out, "denied by"));
}

TEST_CASE("only who is named may decide", "[gates]") {
  if (!ready()) return;
  // A user that every machine has, and nobody is.
  Blog blog("    approval: {by: [nobody, nobody-such]}\n");
  Live live(blog.user, {"run", "--env", "prod", "--yes"}, "blog");
  REQUIRE(live.says("waits for nobody or nobody-such to approve"));
  REQUIRE(live.says("--yes does not count: `" + own_account().name + "` is not among nobody or nobody-such"));
  const auto refused = blog.slipway({"approve"});
  CHECK(refused.code == 7);
  CHECK(refused.err ==
        fmt::format("slipway: `{}` may not decide on `prod`\n  hint: the spec asks for nobody or "
                    "nobody-such\n",
                    own_account().name));
  CHECK(blog.slipway({"deny", "--why", "no"}).code == 7);
  // An answer that claims to be somebody's is of the one who owns the file.
  const auto answer = blog.user.state() / "runs/r-1/approvals/approval.prod.answer.json";
  write_file_atomic(answer, R"({"answer": "approved", "by": "nobody", "how": "command", "at": ""})");
  REQUIRE(live.says("`" + own_account().name + "` may not decide: that answer does not count"));
  CHECK(eventually([&] { return !fs::exists(answer); }));
  write_file_atomic(answer.string() + ".new", R"({"answer": "approved", "how": "command", "at": ""})");
  REQUIRE(::chown((answer.string() + ".new").c_str(), 65534, 65534) == 0);
  fs::rename(answer.string() + ".new", answer);
  CHECK(live.end() == 0);
  CHECK(contains(live.said(), "approved by nobody"));
}

TEST_CASE("where nobody can answer, nobody is waited for", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {by: [nobody-such]}\n");
  const auto unknown = blog.slipway({"run", "--env", "prod"});
  CHECK(unknown.code == 7);
  CHECK(contains(unknown.err, "nobody can approve: this machine knows no user or group nobody-such"));
  blog.spec("    approval: {}\n");
  blog.user.env["CI"] = "true";
  blog.user.env["RUNNER_ENVIRONMENT"] = "github-hosted";
  const auto gone = blog.slipway({"run", "--env", "prod"});
  INFO(gone.err);
  CHECK(gone.code == 7);
  CHECK(contains(gone.err, "nobody can approve: this machine goes when the job ends"));
  CHECK(contains(blog.good({"run", "--env", "prod", "--yes"}).err, "approved by"));
  CHECK(blog.get(blog.prod) == "one");
}

TEST_CASE("an approval that does not come is a timeout, and ^C ends the waiting", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {timeout: 300ms}\n");
  const auto late = blog.slipway({"run", "--env", "prod"});
  CHECK(late.code == 8);
  CHECK(contains(late.err, "nobody decided within 0.3s"));
  blog.spec("    approval: {}\n");
  Live live(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(live.says(kAsks));
  live.signal(SIGINT);
  CHECK(live.end() == 130);
  CHECK(blog.slipway({"approve", "r-2"}).code == 2);
}

TEST_CASE("killed while it waits, a run that is resumed asks again", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {}\n");
  {
    Live live(blog.user, {"run", "--env", "prod"}, "blog");
    REQUIRE(live.says(kAsks + "1"));
    live.signal(SIGKILL);
    live.end();
  }
  CHECK(blog.slipway({"approve"}).code == 2);
  const auto ended = blog.slipway({"approve", "r-1"});
  CHECK(contains(ended.err, "run `r-1` does not wait for approval"));
  Live live(blog.user, {"resume"}, "blog");
  REQUIRE(live.says(kAsks + "2"));
  blog.good({"approve"});
  CHECK(live.end() == 0);
  CHECK(blog.get(blog.prod) == "one");
}

TEST_CASE("an approval is for the images that were shown: for others resume asks anew", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {}\n");
  blog.serve("one", "exit 3");
  {
    Live live(blog.user, {"run", "--env", "prod"}, "blog");
    REQUIRE(live.says(kAsks + "1"));
    blog.good({"approve"});
    CHECK(live.end() == 4);
  }
  // The same again: it was approved.
  const auto same = blog.slipway({"resume"});
  CHECK(same.code == 4);
  CHECK(contains(same.err, "cached  approval.prod"));
  blog.serve("two");
  Live live(blog.user, {"resume"}, "blog");
  REQUIRE(live.says(kAsks + "3"));
  blog.good({"approve"});
  CHECK(live.end() == 0);
  CHECK(blog.get(blog.prod) == "two");
}

TEST_CASE("at a terminal the question is asked there", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {}\n");
  {
    Terminal terminal(blog.user, {"run", "--env", "prod"}, "blog");
    REQUIRE(terminal.shows("deploy blog r-1 to prod? [y/N] "));
    CHECK(contains(terminal.shown(), "⏸ approval.prod"));
    CHECK(contains(terminal.shown(), "│ web: starts, 1 of it"));
    terminal.type("nx\x7f\x7fy");
    REQUIRE(terminal.shows("? [y/N] y"));
    CHECK_FALSE(terminal.echoes());
    terminal.type("\r");
    CHECK(terminal.end() == 0);
    INFO(terminal.shown());
    CHECK(terminal.echoes());
    CHECK(contains(terminal.shown(), "approved by " + own_account().name));
  }
  CHECK(blog.approvals("r-1").back()["how"] == "terminal");
  CHECK(blog.get(blog.prod) == "one");
  blog.serve("two");
  {
    Terminal terminal(blog.user, {"run", "--env", "prod"}, "blog");
    REQUIRE(terminal.shows("deploy blog r-2 to prod? [y/N] "));
    terminal.type("\r");
    CHECK(terminal.end() == 7);
  }
  {
    Terminal terminal(blog.user, {"run", "--env", "prod"}, "blog");
    REQUIRE(terminal.shows("deploy blog r-3 to prod? [y/N] "));
    terminal.type("y\x03");
    CHECK(terminal.end() == 130);
    CHECK(terminal.echoes());
  }
  {
    // Decided elsewhere, the question goes away.
    Terminal terminal(blog.user, {"run", "--env", "prod"}, "blog");
    REQUIRE(terminal.shows("deploy blog r-4 to prod? [y/N] "));
    blog.good({"deny", "--why", "no"});
    CHECK(terminal.end() == 7);
    CHECK(terminal.echoes());
  }
  Terminal plain(blog.user, {"run", "--env", "prod", "--progress", "plain"}, "blog");
  REQUIRE(plain.shows("\ndeploy blog r-5 to prod? [y/N] "));
  plain.type("y\n");
  CHECK(plain.end() == 0);
  CHECK(blog.get(blog.prod) == "two");
}

TEST_CASE("a rollout begins only when the same images serve in the other environment", "[gates]") {
  if (!ready()) return;
  Blog blog("    requires: {environment: staging}\n");
  const auto first = blog.slipway({"run", "--env", "prod"});
  INFO(first.err);
  CHECK(first.code == 7);
  CHECK(contains(first.err, "`staging` does not serve this yet: nothing was rolled out to staging yet"));
  CHECK(contains(blog.good({"plan", "--env", "prod"}).out, "closed: nothing was rolled out to staging yet"));

  blog.good({"run", "--env", "staging"});
  CHECK(contains(blog.good({"plan", "--env", "prod"}).out,
                 "open: staging serves the same 1 image, healthy, as release r1 since"));
  blog.good({"run", "--env", "prod"});
  CHECK(blog.get(blog.prod) == "one");
  CHECK(blog.get(blog.staging) == "one");
  const auto again = blog.good({"run", "--env", "prod"});
  CHECK(contains(again.err, "nothing to do, all"));

  blog.serve("two");
  const auto changed = blog.slipway({"run", "--env", "prod"});
  INFO(changed.err);
  CHECK(changed.code == 7);
  CHECK(contains(changed.err, "web: staging serves sha256:"));
  CHECK(contains(changed.err, ", this rollout brings sha256:"));
  CHECK(blog.get(blog.prod) == "one");

  blog.good({"run", "--env", "staging"});
  blog.spec("    requires: {environment: staging, for: 1h}\n");
  const auto soon = blog.slipway({"run", "--env", "prod"});
  CHECK(soon.code == 7);
  CHECK(contains(soon.err, "release r2 is good in staging since"));
  CHECK(contains(soon.err, "1h00m are asked for: 59m"));

  // What is gone there does not serve.
  blog.spec("    requires: {environment: staging}\n");
  blog.good({"run", "--env", "prod"});
  CHECK(blog.get(blog.prod) == "two");
  blog.good({"down", "--env", "staging"});
  CHECK(blog.slipway({"run", "--env", "prod"}).code == 7);
}

TEST_CASE("rollouts of a group take turns, and the turn of a killed one is free", "[gates]") {
  if (!ready()) return;
  Blog blog("    approval: {}\n    concurrency: {group: prod, queue: all}\n");
  Live first(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(first.says(kAsks + "1"));
  Live second(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(second.says("waits for run r-1, which waits for approval (slipway approve r-1)"));
  CHECK(contains(blog.good({"plan", "--env", "prod"}).out, "waits for run r-1"));
  Live third(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(
      third.says("waits for run r-1, which waits for approval (slipway approve r-1), and 1 more before this "
                 "one"));
  blog.good({"approve"});
  CHECK(first.end() == 0);
  // What it would have changed is done: nobody is asked.
  CHECK(second.end() == 0);
  CHECK(contains(second.said(), "nothing would change: nobody is asked"));
  CHECK(third.end() == 0);

  blog.serve("two");
  Live fourth(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(fourth.says(kAsks + "4"));
  Live fifth(blog.user, {"run", "--env", "prod"}, "blog");
  REQUIRE(fifth.says("waits for run r-4"));
  fourth.signal(SIGKILL);
  fourth.end();
  REQUIRE(fifth.says(kAsks + "5"));
  fifth.signal(SIGINT);
  CHECK(fifth.end() == 130);
}
