// Images built by the binary from Dockerfiles, in a sandbox that really runs, and read back by skopeo and
// umoci.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "support/busybox_root.h"
#include "support/registry_server.h"
#include "support/slipway.h"

using namespace slipway;
using slipway::test::Ran;
using slipway::test::User;

namespace {

bool ready() {
  return test::have_root() && test::have_runtime() && test::have("busybox");
}

// A user with a base image `base` of busybox in their store, and a context folder `ctx`.
struct Builder : User {
  Builder() {
    const auto root = dir() / "base";
    make_dirs(root);
    test::make_busybox_root(root / "rootfs");
    write("base/Dockerfile", "FROM scratch\nCOPY rootfs/ /\n");
    const auto made = build({"-t", "base"}, "base");
    INFO(made.err);
    REQUIRE(made.code == 0);
    make_dirs(dir() / "ctx");
  }
  Ran build(std::vector<std::string> flags, const std::string& context = "ctx") const {
    std::vector<std::string> args = {"image", "build"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(context);
    return slipway(args);
  }
  // Builds this text as ctx/Dockerfile.
  Ran dockerfile(const std::string& text, std::vector<std::string> flags = {}) const {
    write("ctx/Dockerfile", text);
    return build(std::move(flags));
  }
};

std::string tool(std::vector<std::string> argv, const fs::path& cwd) {
  Command command;
  command.argv = std::move(argv);
  command.cwd = cwd;
  return run_capture(command);
}

std::string file(const fs::path& path) {
  return read_file_if_exists(path).value_or("(no such file)");
}

// What umoci unpacks of an image layout.
fs::path unpack(const Builder& user, const std::string& layout) {
  tool({"umoci", "unpack", "--image", layout + ":latest", "bundle"}, user.dir());
  return user.dir() / "bundle" / "rootfs";
}

// True when some process of this machine has something below `dir` mounted; those of a sandbox always have.
bool in_use(const fs::path& dir) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    if (!isdigit(entry.path().filename().string()[0])) continue;
    std::ifstream mounts(entry.path() / "mountinfo");
    const std::string text{std::istreambuf_iterator<char>(mounts), {}};
    if (text.find(dir.filename().string()) != std::string::npos) return true;
  }
  return false;
}

// Reads what a child says until `words` come.
void wait_for_words(const Child& child, const std::string& words) {
  std::string seen;
  char buffer[4096];
  while (seen.find(words) == std::string::npos) {
    const auto n = ::read(child.err(), buffer, sizeof buffer);
    if (n <= 0) break;
    seen.append(buffer, static_cast<std::size_t>(n));
  }
  REQUIRE_THAT(seen, Catch::Contains(words));
}

const std::string app = R"(FROM base AS build
ARG WHO=world
RUN echo "hello $WHO" > /greeting && chown app:crew /greeting

FROM base AS unused
RUN exit 9

FROM base
ENV A=1 B="x y"
LABEL org.example.name="a b"
WORKDIR /app
COPY . .
COPY --from=build /greeting /from/
COPY --from=build --chown=app:crew --chmod=640 /greeting mine
COPY <<one <<"two" /docs/
A is $A
one
A is $A
two
RUN <<EOF
set -e
id > who
echo "$A $B" >> who
ln -s who link && ln who hard && rm /bin/dd
EOF
USER app
EXPOSE 80 5353/udp
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD ["true"]
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat who"]
)";

}  // namespace

TEST_CASE("an image of many instructions is what other tools read in it", "[e2e][build]") {
  if (!ready() || !test::have("skopeo") || !test::have("umoci")) return;
  const Builder user;
  user.write("ctx/src/a.txt", "a");
  user.write("ctx/.dockerignore", "Dockerfile\n*.log\n");
  user.write("ctx/x.log", "noise");
  const auto made = user.dockerfile(app, {"-t", "example/app:1", "--build-arg", "WHO=slipway", "--output",
                                          "oci:layout:latest", "--output", "docker-archive:app.tar"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK_THAT(made.err, Catch::Contains("] RUN echo \"hello $WHO\""));
  CHECK_THAT(made.err, !Catch::Contains("exit 9"));

  const auto inspected = nlohmann::json::parse(tool({"skopeo", "inspect", "oci:layout:latest"}, user.dir()));
  CHECK(inspected["Digest"].get<std::string>() + "\n" == made.out);
  CHECK(inspected["Labels"]["org.example.name"].get<std::string>() == "a b");
  const auto config =
      nlohmann::json::parse(tool({"skopeo", "inspect", "--config", "oci:layout:latest"}, user.dir()));
  CHECK(config["config"]["User"].get<std::string>() == "app");
  CHECK(config["config"]["Cmd"].dump() == R"(["cat who"])");
  CHECK(config["config"]["Entrypoint"].dump() == R"(["/bin/sh","-c"])");
  CHECK(config["config"]["ExposedPorts"].dump() == R"({"5353/udp":{},"80/tcp":{}})");
  CHECK(config["config"]["Volumes"].dump() == R"({"/data":{}})");
  CHECK(config["config"]["WorkingDir"].get<std::string>() == "/app");
  CHECK(config["config"]["StopSignal"].get<std::string>() == "SIGINT");
  // skopeo reads the archive whole when it copies it.
  tool({"skopeo", "copy", "docker-archive:app.tar:docker.io/example/app:1", "oci:copied:latest"}, user.dir());

  const auto root = unpack(user, "layout");
  CHECK(file(root / "app/src/a.txt") == "a");
  CHECK(file(root / "from/greeting") == "hello slipway\n");
  CHECK(file(root / "docs/one") == "A is 1\n");
  CHECK(file(root / "docs/two") == "A is $A\n");
  CHECK(file(root / "app/who") == "uid=0(root) gid=0(root) groups=0(root)\n1 x y\n");
  CHECK(file(root / "app/link") == file(root / "app/hard"));
  CHECK_FALSE(fs::exists(root / "app/x.log"));
  CHECK_FALSE(fs::exists(root / "app/Dockerfile"));
  CHECK_FALSE(fs::exists(root / "bin/dd"));
  CHECK_FALSE(fs::exists(root / "proc"));
  CHECK_FALSE(fs::exists(root / "etc/resolv.conf"));
  struct stat st {};
  REQUIRE(::stat((root / "app/mine").c_str(), &st) == 0);
  CHECK(st.st_uid == 1000);
  CHECK(st.st_gid == 2000);
  CHECK((st.st_mode & 07777) == 0640);
  CHECK_FALSE(in_use(user.dir()));
}

TEST_CASE("SHELL, exec form, USER, ARG before FROM, COPY from an image and HEALTHCHECK NONE do what they say",
          "[e2e][build]") {
  if (!ready() || !test::have("skopeo") || !test::have("umoci")) return;
  const Builder user;
  REQUIRE(user.build({"-t", "checked"}, "base").code == 0);
  const auto made = user.dockerfile(R"(ARG FLAVOUR=none
FROM ${FLAVOUR} AS parent
HEALTHCHECK CMD ["true"]
RUN mkdir /out && chown app:crew /out
FROM parent
ARG FLAVOUR
RUN echo "in a stage: ${FLAVOUR-unset}" > /out/arg
SHELL ["/bin/sh", "-eux", "-c"]
RUN echo "shell $-" > /out/shell
RUN ["sh", "-c", "echo \"exec $- $0\" > /out/exec", "itself"]
USER app
RUN id -un > /out/user
SHELL ["/bin/sh", "-c"]
RUN false; echo "after a failure" > /out/back
COPY --from=checked /bin/busybox /out/busybox
HEALTHCHECK NONE
)",
                                    {"--build-arg", "FLAVOUR=base", "--output", "oci:layout"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  const auto root = unpack(user, "layout");
  CHECK(file(root / "out/arg") == "in a stage: base\n");
  const auto shell = file(root / "out/shell");
  CHECK(shell.starts_with("shell "));
  for (const char flag : {'e', 'u', 'x'}) CHECK(shell.find(flag, 6) != std::string::npos);
  CHECK_THAT(file(root / "out/exec"), Catch::StartsWith("exec ") && Catch::EndsWith(" itself\n"));
  CHECK(file(root / "out/user") == "app\n");
  CHECK(file(root / "out/back") == "after a failure\n");
  struct stat info {};
  REQUIRE(::stat((root / "out/user").c_str(), &info) == 0);
  CHECK(info.st_uid != 0);
  CHECK(fs::file_size(root / "out/busybox") == fs::file_size(root / "bin/busybox"));
  const auto config = nlohmann::json::parse(
      tool({"skopeo", "inspect", "--config", "--raw", "oci:layout:latest"}, user.dir()));
  CHECK(config["config"]["Healthcheck"]["Test"] == nlohmann::json({"NONE"}));
  CHECK(config["config"]["User"] == "app");
  CHECK(config["config"]["Shell"] == nlohmann::json({"/bin/sh", "-c"}));
}

TEST_CASE("the same input gives the same digest in another cache", "[e2e][build]") {
  if (!ready()) return;
  std::string digests[2];
  for (auto& digest : digests) {
    const Builder user;
    user.write("ctx/src/a.txt", "a");
    digest = user.dockerfile(app).out;
  }
  CHECK_THAT(digests[0], Catch::StartsWith("sha256:"));
  CHECK(digests[0] == digests[1]);
}

TEST_CASE("a second build runs nothing, a changed file only what follows it", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  user.write("ctx/first", "1");
  user.write("ctx/second", "1");
  const std::string text = "FROM base\nCOPY first /\nRUN echo one\nCOPY second /\nRUN cat second\n";
  CHECK_THAT(user.dockerfile(text).err, Catch::Contains("0 of 5 instructions from the cache"));
  // A comment, a label and other times change no file.
  const auto again = user.dockerfile(
      "# a comment\nFROM base\nLABEL a=b\nCOPY first /\nRUN echo one\nCOPY second /\nRUN cat second\n");
  CHECK_THAT(again.err, Catch::Contains("4 of 5 instructions from the cache"));
  user.write("ctx/second", "2");
  const auto changed = user.dockerfile(text);
  CHECK_THAT(changed.err, Catch::Contains("2 of 5 instructions from the cache"));
  CHECK_THAT(changed.err, !Catch::Contains("\none\n"));
  CHECK_THAT(user.dockerfile(text, {"--no-cache"}).err,
             Catch::Contains("0 of 5 instructions from the cache"));
}

TEST_CASE("files of another stage decide, not how they were made", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  const auto text = [](const std::string& noise) {
    return "FROM base AS one\nRUN echo " + noise +
           " > /noise; echo same > /kept\nFROM base\nCOPY --from=one /kept /\nRUN cat /kept\n";
  };
  const auto first = user.dockerfile(text("a"));
  const auto second = user.dockerfile(text("b"));
  CHECK(first.out == second.out);
  CHECK_THAT(second.err, Catch::Contains("2 of 5 instructions from the cache"));
}

TEST_CASE("a RUN that fails shows its instruction, its line and its last output", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  const auto failed = user.dockerfile("FROM base\n\nRUN echo before; \\\n    echo wrong >&2; exit 7\n",
                                      {"--progress", "quiet"});
  CHECK(failed.code == 1);
  CHECK(failed.err ==
        "slipway: ctx/Dockerfile:3:1: exit 7 in `RUN echo before;     echo wrong >&2; exit 7`\n"
        "  | before\n"
        "  | wrong\n");
  CHECK(failed.out.empty());
  const auto missing = user.dockerfile("FROM base\nRUN [\"pip\", \"install\"]\n", {"--progress", "quiet"});
  CHECK(missing.code == 1);
  CHECK_THAT(missing.err, Catch::Contains("exit 127 in `RUN [\"pip\", \"install\"]`") &&
                              Catch::Contains("`pip` is not in the image"));
}

TEST_CASE("a COPY of what is not there says what is near, or what ignores it", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  user.write("ctx/requirements.txt", "flask");
  user.write("ctx/.dockerignore", "# none\n*.env\n");
  user.write("ctx/prod.env", "x");
  const auto missing = user.dockerfile("FROM base\nCOPY requirments.txt .\n", {"--progress", "quiet"});
  CHECK(missing.code == 1);
  CHECK(missing.err ==
        "slipway: ctx/Dockerfile:2:1: `requirments.txt` is not in the context\n"
        "  hint: did you mean `requirements.txt`?\n");
  CHECK(user.dockerfile("FROM base\nCOPY prod.env /\n", {"--progress", "quiet"}).err ==
        "slipway: ctx/Dockerfile:2:1: `prod.env` is left out of the context by `*.env`\n"
        "  hint: see .dockerignore:2\n");
  CHECK_THAT(user.dockerfile("FROM base AS b\nFROM base\nCOPY --from=b /nope /\n").err,
             Catch::Contains("`/nope` is not in the stage `b`"));
}

TEST_CASE("a context with a FIFO, a socket or a link out of it is refused by name", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  const auto pipe = user.dir() / "ctx" / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0644) == 0);
  const auto fifo = user.dockerfile("FROM base\nCOPY . /x/\n", {"--progress", "quiet"});
  CHECK(fifo.code == 1);
  CHECK(fifo.err ==
        "slipway: ctx/Dockerfile:2:1: `pipe` in the context is a FIFO, which cannot be copied\n"
        "  hint: leave it out with a line in .dockerignore\n");
  user.write("ctx/.dockerignore", "pipe\n");
  CHECK(user.dockerfile("FROM base\nCOPY . /x/\n").code == 0);
  {
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (user.dir() / "ctx/app.sock").string();
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const auto socket = user.dockerfile("FROM base\nCOPY . /x/\n", {"--progress", "quiet"});
    CHECK(socket.code == 1);
    CHECK(socket.err ==
          "slipway: ctx/Dockerfile:2:1: `app.sock` in the context is a socket, which cannot be copied\n"
          "  hint: leave it out with a line in .dockerignore\n");
    fs::remove(path);
  }
  fs::create_symlink("/etc/passwd", user.dir() / "ctx" / "out");
  CHECK_THAT(user.dockerfile("FROM base\nCOPY out /x\n").err,
             Catch::Contains("`out` is a link that leads out of the context"));
  // Within a folder a link is copied as a link: it means the image's own file.
  CHECK(user.dockerfile("FROM base\nCOPY . /x/\nRUN grep app /x/out\n").code == 0);
}

TEST_CASE("mistakes in a Dockerfile are all shown, with exit 2", "[e2e][build]") {
  const User user;
  user.write("ctx/Dockerfile", "FROM base\nRUNN make\nCOPY --from=nope$X a b\n");
  const auto ran = user.slipway({"image", "build", "ctx"});
  CHECK(ran.code == 2);
  CHECK_THAT(ran.err, Catch::Contains("ctx/Dockerfile:2:1: unknown instruction `RUNN`") &&
                          Catch::Contains("hint: did you mean `RUN`?"));
  CHECK_THAT(user.slipway({"image", "build", "-f", "ctx/Dockerfil", "ctx"}).err,
             Catch::Contains("there is no `ctx/Dockerfil`") && Catch::Contains("did you mean `Dockerfile`?"));
}

TEST_CASE("a run shows the mistakes in a Dockerfile with their lines, as `image build` does",
          "[e2e][build]") {
  User user;
  user.write("shop/slipway.yaml", "version: 1\nname: shop\nimages:\n  web: {context: web}\n");
  user.write("shop/web/Dockerfile", "FROM scratch\nRUNN make\nCOPYY a b\n");
  const std::string mistakes =
      "  {0}web/Dockerfile:2:1\n"
      "       2 | RUNN make\n"
      "         | ^~~~\n"
      "    hint: did you mean `RUN`?\n"
      "  {0}web/Dockerfile:3:1: unknown instruction `COPYY`\n"
      "       3 | COPYY a b\n"
      "         | ^~~~~\n"
      "    hint: did you mean `COPY`?\n";
  for (const char* command : {"build", "run"}) {
    const auto ran = user.slipway({command}, "shop");
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK_THAT(ran.err, Catch::Contains("build.web cannot go on: unknown instruction `RUNN` (after") &&
                            Catch::Contains(fmt::format(fmt::runtime(mistakes), "")) &&
                            !Catch::Contains("slipway.yaml:"));
  }
  // From elsewhere the file has another name; what lies under that name here is not shown for it.
  CHECK_THAT(user.slipway({"build", "-f", "shop"}).err,
             Catch::Contains(fmt::format(fmt::runtime(mistakes), "shop/")));
  user.write("shop/web/Dockerfile", "FROM scratch\nCOPY none /\n");
  CHECK_THAT(user.slipway({"build", "-f", "shop"}).err,
             Catch::Contains("shop/web/Dockerfile:2:1\n       2 | COPY none /\n"));
  CHECK_THAT(user.slipway({"runs", "r-1"}, "shop").out,
             Catch::Contains("error") && Catch::Contains("  unknown instruction `RUNN`\n"));
}

TEST_CASE("archives are unpacked by ADD and copied whole by COPY", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  user.write("ctx/tree/bin/tool", "content");
  tool({"tar", "--owner=7", "--group=8", "-czf", "a.tgz", "-C", "tree", "bin"}, user.dir() / "ctx");
  const auto ran = user.dockerfile(
      "FROM base\nADD a.tgz /opt/\nCOPY a.tgz /opt/\nADD tree/bin/tool /opt/plain\n"
      "RUN cat /opt/bin/tool /opt/plain && stat -c ' %u:%g %n' /opt/bin/tool /opt/plain && test -s "
      "/opt/a.tgz\n");
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Catch::Contains("contentcontent 7:8 /opt/bin/tool\n 0:0 /opt/plain\n"));
}

TEST_CASE("killed in the middle of a RUN, the next build goes on and gives the same image", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  user.write("ctx/a", "1");
  const std::string text =
      "FROM base\nARG NAP\nRUN echo kept-step\nCOPY a /\n"
      "RUN echo started; echo x > /half; sleep $NAP; echo y > /done\n";
  user.write("ctx/Dockerfile", text);
  auto command = user.command({"image", "build", "--build-arg", "NAP=600", "ctx"});
  Child child(command);
  wait_for_words(child, "\nstarted\n");
  ::kill(child.pid(), SIGKILL);
  REQUIRE(child.wait_for(Millis{20'000}).has_value());
  CHECK(test::eventually([&] { return !in_use(user.dir()); }));

  const auto again = user.build({"--build-arg", "NAP=0"});
  CHECK(again.code == 0);
  CHECK(fs::is_empty(user.cache() / "scratch"));
  const Builder fresh;
  fresh.write("ctx/a", "1");
  fresh.write("ctx/Dockerfile", text);
  CHECK(fresh.build({"--build-arg", "NAP=0"}).out == again.out);
}

TEST_CASE("what was built and pushed is pulled and run by others", "[e2e][build]") {
  if (!ready() || !test::have("buildah") || !test::have("docker-registry")) return;
  const Builder user;
  const test::RegistryServer server;
  user.write("ctx/hello", "hello\n");
  const auto built = user.dockerfile(
      "FROM base\nCOPY --chown=app:crew hello /srv/\nRUN mkdir -p /srv/more && echo made >/srv/more/made && "
      "rm /etc/group && ln -s hello /srv/link\nENV WHO=world\nWORKDIR /srv\n",
      {"-t", server.host() + "/app:1"});
  INFO(built.err);
  REQUIRE(built.code == 0);
  REQUIRE(user.slipway({"image", "push", server.host() + "/app:1"}).code == 0);

  const auto storage = user.dir() / "buildah";
  const std::vector<std::string> buildah = {
      "buildah",          "--root", (storage / "root").string(), "--runroot", (storage / "run").string(),
      "--storage-driver", "vfs"};
  const auto call = [&](std::vector<std::string> args) {
    auto argv = buildah;
    argv.insert(argv.end(), args.begin(), args.end());
    return tool(argv, user.dir());
  };
  auto name = call({"from", "--tls-verify=false", "docker://" + server.host() + "/app:1"});
  name.erase(name.find('\n'));
  CHECK(call({"run", "--isolation", "chroot", name, "--", "sh", "-c",
              "cat link more/made; stat -c '%u:%g %a' hello; echo $WHO; test -e /etc/group || echo gone; "
              "pwd"}) == "hello\nmade\n1000:2000 644\nworld\ngone\n/srv\n");
  call({"rm", "--all"});
  call({"rmi", "--all"});
}

TEST_CASE("a disk that is full while a layer is written is told, and harms nothing", "[e2e][build]") {
  if (!ready() || !test::have("unshare")) return;
  const Builder user;
  user.write("ctx/Dockerfile", "FROM scratch\nCOPY big small /\n");
  user.write("ctx/small", "small\n");
  // Cannot be compressed: what is written is as large as what is read.
  tool({"sh", "-c", "head -c 20000000 /dev/urandom >ctx/big"}, user.dir());
  auto command = user.command({});
  command.argv = {"unshare", "--mount",
                  "sh",      "-c",
                  R"sh(
cache=$SLIPWAY_CACHE_DIR
mount -t tmpfs -o size=12m tmpfs $cache || exit 99
$0 image build ctx; echo "first: $?"
for blob in $cache/store/blobs/sha256/*; do
  [ -e $blob ] || continue
  [ "$(sha256sum <$blob | cut -c-64)" = ${blob##*/} ] || echo "broken: $blob"
done
mount -o remount,size=200m $cache
$0 image build ctx >/dev/null 2>&1; echo "second: $?"
)sh",     test::slipway_binary().string()};
  Ran ran;
  run_process(command, [&](Stream stream, std::string_view text) {
    (stream == Stream::out ? ran.out : ran.err) += text;
  });
  INFO(ran.err);
  CHECK(ran.out == "first: 6\nsecond: 0\n");
  CHECK(ran.err.find("the disk is full") != std::string::npos);
}

TEST_CASE("an interrupted build ends at once with exit 130 and leaves nothing", "[e2e][build]") {
  if (!ready()) return;
  const Builder user;
  user.write("ctx/Dockerfile", "FROM base\nRUN echo started; sleep 600\n");
  Child child(user.command({"image", "build", "ctx"}));
  wait_for_words(child, "\nstarted\n");
  ::kill(child.pid(), SIGINT);
  const auto status = child.wait_for(Millis{20'000});
  REQUIRE(status.has_value());
  CHECK(status->code == 130);
  CHECK_FALSE(in_use(user.dir()));
}

TEST_CASE("a base comes from a registry once, and again with --pull", "[e2e][build]") {
  if (!ready() || !test::have("docker-registry")) return;
  test::RegistryServer registry;
  const Builder user;
  const auto name = registry.host() + "/team/base:1";
  REQUIRE(user.build({"-t", name, "--push"}, "base").code == 0);
  const User other;
  other.write("ctx/Dockerfile", "FROM " + name + "\nRUN echo hi > /hi\n");
  const auto first = other.slipway({"image", "build", "ctx"});
  INFO(first.err);
  REQUIRE(first.code == 0);
  // A mirror stands in for the usual name.
  other.write("mirrored/Dockerfile", "FROM team/base:1\nRUN echo hi > /hi\n");
  CHECK(other.slipway({"image", "build", "--mirror", "docker.io=" + registry.host(), "mirrored"}).out ==
        first.out);
  registry.stop();
  CHECK(other.slipway({"image", "build", "ctx"}).out == first.out);
  const auto pull = other.slipway({"image", "build", "--pull", "ctx"});
  CHECK(pull.code == 6);
  CHECK_THAT(pull.err, Catch::Contains("ctx/Dockerfile:1:1"));
}
