// The commands around a rollout as a user types them: status, logs, rollback, down and doctor, and what
// happens to a rollout that is interrupted, killed or lacks a part.
#include <catch2/catch.hpp>
#include <csignal>
#include <sstream>

#include "base/error.h"
#include "support/busybox_root.h"
#include "support/live.h"
#include "support/slipway.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

bool ready() {
  return have_root() && have_runtime() && have("haproxy") && have("iptables") && have("busybox");
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Processes whose command line names `part`.
std::vector<pid_t> processes(const std::string& part) {
  std::vector<pid_t> out;
  for (const auto& process : fs::directory_iterator("/proc")) {
    const auto name = process.path().filename().string();
    if (!std::isdigit(static_cast<unsigned char>(name[0]))) continue;
    auto line = read_file_if_exists(process.path() / "cmdline").value_or("");
    std::replace(line.begin(), line.end(), '\0', ' ');
    if (contains(line, part)) out.push_back(std::atoi(name.c_str()));
  }
  return out;
}

// A project `blog` with one service of busybox's httpd, that answers with `text`.
struct Blog {
  User user;
  int port = free_port();

  Blog() {
    make_dirs(user.dir() / "blog/web");
    make_busybox_root(user.dir() / "blog/web/rootfs");
    serve("one");
  }
  ~Blog() { user.slipway({"down", "--volumes", "--yes"}, "blog"); }

  // `start` is what the container does, its healthcheck asks for /ok.
  void serve(const std::string& text, const std::string& start = "exec httpd -f -vv -p 8080 -h /www",
             const std::string& more = "", int retries = 40) {
    user.write("blog/web/Dockerfile",
               "FROM scratch\nCOPY rootfs/ /\nCOPY index.html ok /www/\nCOPY start /\nCMD "
               "[\"sh\", \"/start\"]\n");
    user.write("blog/web/index.html", text);
    user.write("blog/web/ok", "ok");
    user.write("blog/web/start", "echo starting " + text + "\n" + start + "\n");
    user.write("blog/slipway.yaml", fmt::format(R"(version: 1
name: blog
images: {{web: {{context: web}}}}
services:
  web:
    image: web
    port: 8080
    publish: {}
    replicas: 2
    stop_grace_period: 300ms
    volumes: [data:/data]
    healthcheck: {{http: /ok, interval: 50ms, timeout: 1s, retries: {}}}
{}environments:
  local: {{target: {{kind: local}}}}
)",
                                                port, retries, more));
  }
  Ran slipway(std::vector<std::string> args) const { return user.slipway(std::move(args), "blog"); }
  Ran good(std::vector<std::string> args) const {
    auto ran = slipway(std::move(args));
    INFO(ran.err << ran.out);
    REQUIRE(ran.code == 0);
    return ran;
  }
  json status() const { return json::parse(good({"status", "-o", "json"}).out); }
  // Monitors of replicas that run.
  std::size_t monitors() const {
    std::size_t found = 0;
    for (const auto pid : processes(user.state().string())) {
      std::error_code ec;
      found += fs::read_symlink(fmt::format("/proc/{}/exe", pid), ec).filename() == "slipway-shim";
    }
    return found;
  }
  std::string get(const std::string& path = "/") const {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", port, path);
    try {
      const auto response = HttpClient().send(request);
      return response.status == 200 ? response.body : fmt::format("status {}", response.status);
    } catch (const Error& e) {
      return e.message();
    }
  }
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("what runs can be looked at, read, taken back and stopped", "[target]") {
  if (!ready()) return;
  Blog blog;
  CHECK(contains(blog.good({"status"}).out, "blog local: nothing runs"));
  const auto first = blog.good({"run"});
  CHECK(contains(first.out, fmt::format("http://127.0.0.1:{}", blog.port)));

  const auto status = blog.good({"status"}).out;
  INFO(status);
  CHECK(contains(status, "blog local  release r1"));
  CHECK(contains(status, "✔ 2/2 healthy"));
  CHECK(contains(status, fmt::format("http://127.0.0.1:{}", blog.port)));

  // Each line with its replica; the newest lines; an unknown name with a near one.
  const auto logs = blog.good({"logs", "web"}).out;
  CHECK(count(logs, " | starting one") == 2);
  CHECK(count(blog.good({"logs", "-n", "1"}).out, "\n") == 2);
  const auto unknown = blog.slipway({"logs", "wbe"});
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "`web`"));

  blog.serve("two");
  blog.good({"run"});
  CHECK(blog.get() == "two");
  const auto back = blog.good({"rollback"}).out;
  CHECK(contains(back, "r1 serves again, as release r3"));
  CHECK(blog.get() == "one");
  CHECK(contains(blog.good({"rollback", "r1"}).out, "nothing to do: r1 serves"));
  const auto missing = blog.slipway({"rollback", "r9"});
  CHECK(missing.code == 2);
  CHECK(contains(missing.err, "r9"));

  // Data is not removed by a slip of the finger.
  const auto careless = blog.slipway({"down", "--volumes"});
  CHECK(careless.code == 2);
  CHECK(contains(careless.err, "--yes"));
  CHECK(blog.get() == "one");
  const auto down = blog.good({"down"}).out;
  CHECK(contains(down, "2 replicas stopped"));
  CHECK(contains(down, "data"));
  CHECK(contains(blog.good({"status"}).out, "nothing runs"));
  CHECK(contains(blog.good({"down", "--volumes", "--yes"}).out, "nothing runs"));
}

TEST_CASE("logs -f shows what comes, from new replicas too, until it is interrupted", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.good({"run"});
  Live follower(blog.user, {"logs", "-f", "web"}, "blog");
  CHECK(follower.says("| starting one"));
  blog.get("/nowhere");
  CHECK(follower.says("/nowhere"));
  blog.serve("two");
  blog.good({"run"});
  CHECK(follower.says("| starting two"));
  follower.signal(SIGINT);
  CHECK(follower.end() == 130);
}

TEST_CASE("logs are rotated: a talkative service does not fill the disk", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.serve("one",
             "i=0; while [ $i -lt 60 ]; do head -c 1048576 /dev/zero | tr '\\0' x | fold -w 1000; echo; "
             "i=$((i+1)); done; echo all written; exec httpd -f -p 8080 -h /www");
  blog.good({"run"});
  CHECK(count(blog.good({"logs", "-n", "1"}).out, "| all written") == 2);
  CHECK(count(blog.good({"logs", "-n", "15000"}).out, "\n") == 30'000);
  std::uintmax_t bytes = 0;
  for (const auto& file : fs::recursive_directory_iterator(blog.user.state() / "local"))
    if (file.is_regular_file() && file.path().filename().string().starts_with("log"))
      bytes += file.file_size();
  CHECK(bytes > (30u << 20));  // of 120 MiB that both wrote
  CHECK(bytes <= (2 * 3 * 10u << 20));
}

TEST_CASE("what died is started again by the next run, with nothing changed", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.good({"run"});
  const auto folder = (blog.user.state() / "local").string();
  // As after the machine went down: monitors, containers and the balancer are gone at once.
  const auto all = processes(folder);
  REQUIRE(all.size() >= 3);
  for (const auto pid : all) ::kill(pid, SIGKILL);
  REQUIRE(eventually([&] { return processes(folder).empty(); }));
  const auto status = blog.good({"status"}).out;
  INFO(status);
  CHECK(contains(status, "✘ 0/2 healthy"));
  CHECK(contains(status, "the balancer is down"));
  blog.good({"run"});
  CHECK(blog.get() == "one");
  CHECK(contains(blog.good({"status"}).out, "✔ 2/2 healthy"));
}

TEST_CASE("^C in a rollout: the old release serves on, the new one leaves nothing", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.good({"run"});
  const auto before = blog.status().at("services");
  blog.serve("two", "sleep 100", "", 600);
  Live run(blog.user, {"run", "--progress", "plain"}, "blog");
  INFO("the third replica, beside the two that serve");
  REQUIRE(eventually([&] { return blog.monitors() == 3; }));
  run.signal(SIGINT);
  const int code = run.end();
  CHECK(code == 130);
  CHECK(blog.get() == "one");
  CHECK(blog.status().at("services") == before);
  CHECK(contains(blog.good({"doctor"}).out, "0 warnings"));
  blog.serve("three");
  blog.good({"run"});
  CHECK(blog.get() == "three");
}

TEST_CASE("a rollout that is killed leaves the old release serving, and doctor clears the rest", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.good({"run"});
  blog.serve("two", "sleep 100", "", 600);
  Live run(blog.user, {"run", "--progress", "plain"}, "blog");
  INFO("the third replica, beside the two that serve");
  REQUIRE(eventually([&] { return blog.monitors() == 3; }));
  run.signal(SIGKILL);
  run.end();
  CHECK(blog.get() == "one");
  const auto dry = blog.good({"doctor", "--dry-run"}).out;
  INFO(dry);
  CHECK(count(dry, "left behind: replica web-") == 1);
  const auto cleared = blog.good({"doctor"}).out;
  CHECK(count(cleared, "cleared: replica web-") == 1);
  CHECK_FALSE(contains(blog.good({"doctor"}).out, "replica web-"));
  CHECK(blog.get() == "one");
  CHECK(contains(blog.good({"status"}).out, "✔ 2/2 healthy"));
}

TEST_CASE(
    "doctor clears the folders, mounts and processes of runs that were killed, nothing of those that live",
    "[target]") {
  if (!ready()) return;
  User user;
  user.write("slipway.yaml",
             "version: 1\nname: demo\nsteps: [{name: nap, run: echo up && exec sleep 100}]\n");
  Live dead(user, {"run"});
  REQUIRE(dead.says("up"));
  Live alive(user, {"run"});
  REQUIRE(alive.says("up"));
  const auto work = user.cache() / "work";
  REQUIRE(eventually([&] { return std::distance(fs::directory_iterator(work), {}) == 2; }));
  dead.signal(SIGKILL);
  dead.end();
  // As a build that was killed leaves it: a folder that nobody holds, with something mounted in it.
  const auto scratch = user.cache() / "scratch/run dead";
  user.write("cache/scratch/run dead/.lock", "");
  fs::create_directories(scratch / "root");
  Command mount;
  mount.argv = {"mount", "-t", "tmpfs", "tmpfs", (scratch / "root").string()};
  run_capture(mount);
  const auto dry = user.slipway({"doctor", "--dry-run"}).out;
  CHECK(count(dry, "left behind: folder ") == 2);
  CHECK(count(dry, "(sleep) of run r-1") == 1);
  CHECK(count(dry, "(sleep) of run") == 1);
  CHECK(fs::exists(scratch));
  const auto cleared = user.slipway({"doctor"}).out;
  CHECK(count(cleared, "cleared: folder ") == 2);
  CHECK(count(cleared, "cleared: process ") == 1);
  CHECK(count(user.slipway({"doctor"}).out, "(sleep) of run") == 0);
  CHECK_FALSE(fs::exists(scratch));
  CHECK(std::distance(fs::directory_iterator(work), {}) == 1);
  CHECK(read_file("/proc/self/mountinfo").find("run\\040dead") == std::string::npos);
  alive.signal(SIGINT);
  CHECK(alive.end() == 130);
}

TEST_CASE("doctor clears the network and the services of a test whose run was killed", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.serve("one", "exec httpd -f -p 8080 -h /www",
             "backing:\n  beside: {image: web, healthcheck: {tcp: 8080, interval: 50ms, retries: 40}}\n"
             "tests:\n  slow: {image: web, services: [beside], run: echo it is up && exec sleep 1000}\n");
  Live run(blog.user, {"test", "--progress", "plain"}, "blog");
  REQUIRE(run.says("| it is up"));
  run.signal(SIGKILL);
  run.end();
  const auto dry = blog.good({"doctor", "--dry-run"}).out;
  CHECK(count(dry, "left behind: network of a test ") == 1);
  const auto cleared = blog.good({"doctor"}).out;
  CHECK(count(cleared, "cleared: network of a test ") == 1);
  CHECK(eventually([&] { return processes(blog.user.cache().string()).empty(); }));
  const auto after = blog.good({"doctor"}).out;
  INFO(after);
  CHECK_FALSE(contains(after, "network of a test"));
  CHECK_FALSE(contains(after, blog.user.cache().string()));
}

TEST_CASE("doctor ends monitors, balancers and networks whose folder somebody removed", "[target]") {
  if (!ready()) return;
  Blog blog;
  blog.good({"run"});
  const auto folder = blog.user.state() / "local";
  REQUIRE(processes(folder.string()).size() >= 3);
  remove_tree(folder);
  const auto dry = blog.good({"doctor", "--dry-run"}).out;
  INFO(dry);
  const auto ours = [&](const std::string& text, const std::string& what) {
    std::size_t found = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      found += contains(line, what) && contains(line, folder.string());
    return found;
  };
  CHECK(ours(dry, "left behind: slipway-shim (process ") == 2);
  CHECK(ours(dry, "left behind: haproxy (process ") >= 1);
  CHECK(contains(dry, "left behind: network bridge slw"));
  const auto cleared = blog.good({"doctor"}).out;
  CHECK(ours(cleared, "cleared: slipway-shim (process ") == 2);
  CHECK(ours(cleared, "cleared: haproxy (process ") >= 1);
  CHECK(contains(cleared, "cleared: network bridge slw"));
  CHECK(eventually([&] { return processes(folder.string()).empty(); }));
  const auto after = blog.good({"doctor", "--dry-run"}).out;
  CHECK(ours(after, "left behind") == 0);
  // And the next run begins anew.
  blog.good({"run"});
  CHECK(blog.get() == "one");
}

TEST_CASE("a way back that fails is exit 5, and says what is where", "[target]") {
  if (!ready()) return;
  Blog blog;
  // A database that runs alone on its volume: the old one is stopped before the new one starts.
  const auto keeps = [&](const std::string& text, const std::string& start) {
    blog.serve(text, start,
               "    depends_on: [keeper]\nbacking:\n  keeper:\n    image: web\n    volumes: [kept:/data]\n"
               "    healthcheck: {tcp: 8080, interval: 50ms, retries: 40}\n");
  };
  keeps("one",
        "test ! -e /data/converted || { echo this data is of a newer version; exit 1; }\n"
        "exec httpd -f -p 8080 -h /www");
  blog.good({"run"});
  keeps("two", "touch /data/converted\nexit 3");
  const auto ran = blog.slipway({"run"});
  INFO(ran.err);
  CHECK(ran.code == 5);
  CHECK(contains(ran.err, "the last with code 3"));
  CHECK(contains(ran.err, "`keeper` does not come back"));
}

TEST_CASE("a machine without a part is told which package has it", "[target]") {
  if (!ready() || !have("unshare")) return;
  Blog blog;
  const auto without = [&](std::vector<std::string> programs, const std::string& command_name) {
    Command command = blog.user.command({}, "blog");
    std::string line = "set -e; ";
    for (const auto& program : programs)
      if (const auto path = find_program(program))
        line += fmt::format("mount --bind /dev/null {}; ", path->string());
    line += fmt::format("exec {} {}", slipway_binary().string(), command_name);
    command.argv = {"unshare", "--mount", "sh", "-c", line};
    Ran ran;
    const auto finished = run_process(command, [&](Stream stream, std::string_view text) {
      (stream == Stream::out ? ran.out : ran.err) += text;
    });
    ran.code = finished.status.code;
    return ran;
  };
  const auto run = without({"haproxy"}, "run");
  INFO(run.err);
  CHECK(run.code == 6);
  CHECK(contains(run.err, "apt-get install haproxy"));
  CHECK(contains(blog.good({"status"}).out, "nothing runs"));
  const auto doctor = without({"haproxy"}, "doctor");
  CHECK(doctor.code == 6);
  CHECK(contains(doctor.out, "apt-get install haproxy"));
  for (const auto* command_name : {"run", "doctor"}) {
    const auto ran = without({"crun", "runc"}, command_name);
    INFO(ran.err << ran.out);
    CHECK(ran.code == 6);
    CHECK(contains(ran.err + ran.out, "apt-get install crun"));
  }
}
