// Commands really run in the machine's own OCI runtime.
#include "oci/sandbox.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "base/error.h"
#include "oci/bundle.h"
#include "oci/snapshot.h"
#include "support/busybox_root.h"
#include "support/env_var.h"
#include "support/slipway.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::oci;

namespace {

// A busybox root below all, an empty upper, and one place to keep both.
struct Place {
  TempDir dir{fs::temp_directory_path(), "sandbox-"};
  fs::path cache = dir.path() / "cache", base = dir.path() / "base", upper = dir.path() / "upper";
  Runtime runtime = Runtime::probe(cache);
  std::string out, err;

  Place() {
    test::make_busybox_root(base);
    for (const char* name : {"upper", "work"}) make_dirs(dir.path() / name);
  }
  SandboxSpec spec(std::vector<std::string> args) const {
    SandboxSpec spec;
    spec.overlay = Overlay{{base}, upper, dir.path() / "work"};
    spec.args = std::move(args);
    return spec;
  }
  Finished run(const SandboxSpec& wanted, const WaitOptions& options = {}) {
    out.clear();
    err.clear();
    return runtime.run(
        wanted, [&](Stream s, std::string_view text) { (s == Stream::out ? out : err) += text; }, options);
  }
  Finished sh(const std::string& script) { return run(spec({"sh", "-c", script})); }
};

// What lies below `dir`, as relative paths.
std::vector<std::string> tree(const fs::path& dir) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(dir))
    out.push_back(entry.path().lexically_relative(dir));
  std::sort(out.begin(), out.end());
  return out;
}

Command command(std::vector<std::string> argv) {
  Command out;
  out.argv = std::move(argv);
  return out;
}

bool ready() {
  return test::have("busybox") && test::have_root() && test::have_runtime();
}

}  // namespace

TEST_CASE("a command runs in the layers and only what it wrote is in the upper", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  const auto finished = place.sh("echo hello; echo bad >&2; echo x > /made; rm /bin/wc; exit 3");
  CHECK(finished.status.code == 3);
  CHECK(place.out == "hello\n");
  CHECK(place.err == "bad\n");
  CHECK(tree(place.upper) == std::vector<std::string>{"bin", "bin/wc", "made"});
}

TEST_CASE("the sandbox has its own processes, few capabilities and no way to mount", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  CHECK(place.sh("echo $$; ls /proc | grep -c '^[0-9]'").status.ok());
  CHECK(place.out.starts_with("1\n"));
  CHECK(place.sh("grep CapEff /proc/self/status").status.ok());
  CHECK(place.out == "CapEff:\t00000000a00425fb\n" + std::string());
  CHECK_FALSE(place.sh("mount -t tmpfs none /tmp").status.ok());
  CHECK_FALSE(place.sh("mknod /tmp/disk b 8 0").status.ok());
  CHECK(place.sh("hostname").status.ok());
  CHECK(place.out == "slipway\n");
}

TEST_CASE("users, working folder and environment are those of the spec", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  auto spec = place.spec({"sh", "-c", "id; echo $HOME $A; echo $PWD"});
  spec.user = "app";
  spec.cwd = "/tmp";
  spec.env = {"A=b c"};
  CHECK(place.run(spec).status.ok());
  CHECK(place.out == "uid=1000(app) gid=1000(app) groups=1000(app),2000(crew)\n/home/app b c\n/tmp\n");
}

TEST_CASE("a program that is not in the image is exit 127", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  CHECK(place.run(place.spec({"pip", "install"})).status.code == 127);
  CHECK_THAT(place.err, Catch::EndsWith("`pip` is not in the image\n"));
}

TEST_CASE("binds and tmpfs are there for the command and leave nothing in the layer", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  make_dirs(place.dir.path() / "data");
  write_file_atomic(place.dir.path() / "data" / "a", "content");
  write_file_atomic(place.dir.path() / "secret", "hidden");
  auto spec = place.spec(
      {"sh", "-c", "cat /in/a /run/secrets/s; echo y > /scratch/z; touch /in/b || echo read-only"});
  spec.mounts = {{(place.dir.path() / "data").string(), "/in", true},
                 {(place.dir.path() / "secret").string(), "/run/secrets/s", true}};
  spec.tmpfs = {"/scratch"};
  CHECK(place.run(spec).status.ok());
  CHECK(place.out == "contenthiddenread-only\n");
  CHECK(tree(place.upper).empty());
}

TEST_CASE("network none has the loopback alone, host names are those given", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  auto spec = place.spec({"sh", "-c", "ip -o link | wc -l; grep db /etc/hosts; wc -c < /etc/resolv.conf"});
  spec.network = SandboxSpec::Network::none;
  spec.hosts = {{"db", "10.1.2.3"}};
  CHECK(place.run(spec).status.ok());
  CHECK(place.out == "1\n10.1.2.3\tdb\n0\n");
}

TEST_CASE("loopback name servers stay out of another network", "[oci]") {
  const std::string_view text = "search a.b\nnameserver 127.0.0.53\nnameserver\t10.0.0.1\nnameserver ::1\n";
  CHECK(sandbox_resolv_conf(SandboxSpec::Network::path, text) == "search a.b\nnameserver\t10.0.0.1\n");
  CHECK(sandbox_resolv_conf(SandboxSpec::Network::host, text) == text);
  CHECK(sandbox_resolv_conf(SandboxSpec::Network::none, text).empty());
}

TEST_CASE("a stop kills everything that the command started", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  auto spec = place.spec(
      {"sh", "-c", "(while true; do echo tick >> /shared/ticks; sleep 0.05; done) & echo up; sleep 600"});
  make_dirs(place.dir.path() / "shared");
  spec.mounts = {{(place.dir.path() / "shared").string(), "/shared", false}};
  std::stop_source stop;
  WaitOptions options;
  options.stop = stop.get_token();
  options.grace = Millis{100};
  const auto finished = place.runtime.run(
      spec, [&](Stream, std::string_view) { stop.request_stop(); }, options);
  CHECK(finished.cancelled);
  CHECK_FALSE(finished.status.ok());
  // Nobody in the whole machine has the folder mounted any more.
  for (const auto& entry : fs::directory_iterator("/proc")) {
    if (!isdigit(entry.path().filename().string()[0])) continue;
    std::ifstream file(entry.path() / "mountinfo");  // of a process that may end meanwhile
    const std::string mounts{std::istreambuf_iterator<char>(file), {}};
    CHECK(mounts.find(place.dir.path().filename().string()) == std::string::npos);
  }
  CHECK(fs::is_empty(place.cache / "scratch"));
}

TEST_CASE("the probe remembers its answer", "[oci][sandbox]") {
  if (!ready()) return;
  TempDir dir(fs::temp_directory_path(), "probe-");
  const auto first = Runtime::probe(dir.path());
  CHECK(std::distance(fs::directory_iterator(dir.path() / "runtime"), {}) == 1);
  CHECK(Runtime::probe(dir.path()).program() == first.program());
}

TEST_CASE("a crun that does not work on this machine gives way to runc, and without both each has its say",
          "[oci][sandbox]") {
  if (!ready() || !test::have("runc")) return;
  TempDir dir(fs::temp_directory_path(), "probe-");
  make_dirs(dir.path() / "bin");
  write_file_atomic(dir.path() / "bin/crun", "#!/bin/sh\necho cgroups are not to its liking >&2\nexit 1\n",
                    0755);
  const test::EnvVar path("PATH", (dir.path() / "bin").string() + ":" + std::getenv("PATH"));
  const auto runtime = Runtime::probe(dir.path() / "cache");
  CHECK(runtime.name() == "runc");
  // The same answer without another try.
  CHECK(Runtime::probe(dir.path() / "cache").name() == "runc");

  write_file_atomic(dir.path() / "bin/runc", "#!/bin/sh\necho nor to mine >&2\nexit 1\n", 0755);
  try {
    Runtime::probe(dir.path() / "cache");
    FAIL("a runtime was found");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::unavailable);
    CHECK(e.message() == "no container runtime works on this machine");
    CHECK_THAT(e.detail(),
               Catch::Contains("cgroups are not to its liking") && Catch::Contains("nor to mine"));
  }
}

TEST_CASE("a bundle runs, answers exec and is deleted by the argv given", "[oci][sandbox]") {
  if (!ready()) return;
  Place place;
  const auto root = place.dir.path() / "root";
  make_dirs(root);
  mount_overlay({place.base}, place.upper, place.dir.path() / "work", root);
  SandboxSpec spec;
  spec.root = root;
  spec.args = {"sh", "-c", "echo started; sleep 600"};
  spec.network = SandboxSpec::Network::none;
  const auto id = fmt::format("bundle-test-{}", ::getpid());
  place.runtime.write_bundle(spec, place.dir.path() / "bundle");
  Child child(command(place.runtime.run_argv(place.dir.path() / "bundle", id)));
  char byte = 0;
  CHECK(::read(child.out(), &byte, 1) == 1);
  std::string said;
  const auto finished = run_process(command(place.runtime.exec_argv(id, {"X=1"}, {"sh", "-c", "echo $X in"})),
                                    [&](Stream, std::string_view text) { said += text; });
  CHECK(finished.status.ok());
  CHECK(said == "1 in\n");
  // It may find the container gone already: its own `run` takes it away when it ends.
  run_process(command(place.runtime.delete_argv(id)), [](Stream, std::string_view) {});
  CHECK(child.wait_for(Millis{10'000}).has_value());
  unmount(root);
}
