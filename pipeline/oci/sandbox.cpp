#include "oci/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <exception>
#include <thread>

#include "base/error.h"
#include "oci/bundle.h"
#include "oci/scratch.h"
#include "oci/snapshot.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr const char* cgroup_root = "/sys/fs/cgroup";

// Runs `work` in a thread that has a mount namespace of its own: what it mounts is seen by its children alone
// and goes when they and it are gone, also when we are killed.
template <typename F>
void in_private_mounts(F&& work) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      if (::unshare(CLONE_NEWNS) != 0) throw_errno("make a mount namespace", errno);
      if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        throw_errno("make the mounts private", errno);
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

// True when the program can be started in the root: as execvp would look for it.
bool program_exists(const SandboxSpec& spec) {
  const Fd root(::open(spec.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw_errno(fmt::format("open the root `{}`", spec.root.string()), errno);
  const auto is_file = [&](const fs::path& path) {
    struct stat st {};
    const auto fd = open_in_root(root.get(), path, O_PATH);
    return fd && ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
  };
  const auto& name = spec.args.at(0);
  if (name.find('/') != std::string::npos) return is_file(fs::path(spec.cwd.empty() ? "/" : spec.cwd) / name);
  std::string_view list = default_path;
  for (const auto& entry : spec.env)
    if (entry.starts_with("PATH=")) list = std::string_view(entry).substr(5);
  while (!list.empty()) {
    const auto end = std::min(list.find(':'), list.size());
    if (end > 0 && is_file(fs::path(list.substr(0, end)) / name)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// The runtime's own last complaint, when it has one: the command never started then.
std::string complaint(const fs::path& log) {
  std::string last;
  const auto text = read_file_if_exists(log, 1u << 20).value_or("");
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    const auto line = nlohmann::json::parse(text.substr(from, end - from), nullptr, false);
    if (line.is_object() && line.value("level", "") == "error") last = line.value("msg", "");
    from = end + 1;
  }
  return last;
}

// "exec format error", a script whose interpreter is missing, and the like.
bool is_about_exec(std::string_view why) {
  for (const std::string_view sign :
       {"exec ", "executable", "exec:", "exec user process", "exec container process"})
    if (why.find(sign) != std::string_view::npos) return true;
  return false;
}

std::string fresh_id() {
  static std::atomic<int> counter{0};
  return fmt::format("slipway-{}-{}", ::getpid(), ++counter);
}

void mount_private_cgroup() {
  if (::mount("cgroup2", cgroup_root, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    throw_errno(fmt::format("mount cgroup2 at `{}`", cgroup_root), errno);
}

// Mounts the layers at `dir`/root, above a layer of places for what is mounted over them.
fs::path mount_layers(const SandboxSpec& spec, const fs::path& dir) {
  make_dirs(dir / "places");
  make_mount_places(spec, dir / "places");
  auto layers = *spec.overlay;
  layers.lowers.insert(layers.lowers.begin(), dir / "places");
  make_dirs(dir / "root");
  mount_overlay(layers.lowers, layers.upper, layers.work, dir / "root");
  return dir / "root";
}

}  // namespace

std::vector<std::string> Runtime::argv(const fs::path& state_root) const {
  std::vector<std::string> out = {program_.string(), "--root", state_root.string()};
  // A build has no limits to set, and a cgroup is one more thing that a kill could leave behind.
  if (name_ == "crun") out.push_back("--cgroup-manager=disabled");
  return out;
}

Finished Runtime::run(const SandboxSpec& wanted, const OnOutput& on_output,
                      const WaitOptions& options) const {
  const Scratch scratch(cache_dir_, "run");
  Finished finished;
  in_private_mounts([&] {
    auto spec = wanted;
    if (spec.overlay) spec.root = mount_layers(spec, scratch.path());
    if (private_cgroup_) mount_private_cgroup();
    const auto bundle = scratch.path() / "bundle";
    const auto log = scratch.path() / "runtime.log";
    const auto id = fresh_id();
    write_bundle(spec, bundle);
    Command command;
    // Our death kills `unshare`, its death kills the first process of the PID namespace, and that all others.
    command.argv = {"setpriv", "--pdeathsig", "KILL",         "unshare",
                    "--pid",   "--fork",      "--kill-child", "--mount-proc"};
    for (auto& part : argv(scratch.path() / "state")) command.argv.push_back(std::move(part));
    for (const auto& part : {std::string("--log"), log.string(), std::string("--log-format=json"),
                             std::string("run"), std::string("--bundle"), bundle.string(), id})
      command.argv.push_back(part);
    finished = run_process(command, on_output, options);
    if (finished.cancelled || finished.timed_out) forget(scratch.path() / "state", id);
    if (finished.status.ok() || finished.cancelled || finished.timed_out) return;
    const auto why = complaint(log);
    if (why.empty()) return;
    // Mounts may hold the program, so the runtime tries first; a program that cannot start is an answer, not
    // a fault.
    if (!program_exists(spec))
      on_output(Stream::err, fmt::format("`{}` is not in the image\n", spec.args.at(0)));
    else if (is_about_exec(why))
      on_output(Stream::err, fmt::format("cannot run `{}`: {}\n", spec.args.at(0), why));
    else
      throw Error(ExitCode::unavailable,
                  fmt::format("{} cannot start `{}`: {}", name_, spec.args.at(0), why));
    finished.status = {127, 0};
  });
  return finished;
}

// A killed runc leaves its cgroups; crun, here, makes none.
void Runtime::forget(const fs::path& state_root, const std::string& id) const {
  if (name_ == "crun") return;
  Command command;
  command.argv = argv(state_root);
  for (const char* part : {"delete", "--force"}) command.argv.push_back(part);
  command.argv.push_back(id);
  WaitOptions options;
  options.timeout = Millis{10'000};
  run_process(
      command, [](Stream, std::string_view) {}, options);
}

void Runtime::write_bundle(const SandboxSpec& spec, const fs::path& dir) const {
  if (spec.args.empty()) throw Error(ExitCode::usage, "there is no command to run");
  write_bundle_files(spec, dir, name_ != "crun");
}

std::vector<std::string> Runtime::outside(std::vector<std::string> argv) const {
  if (!private_cgroup_) return argv;
  std::vector<std::string> out = {"unshare", "--mount", "sh", "-c",
                                  // Not again for those who stand beside a container that has it already.
                                  fmt::format("grep -qs ' {0} cgroup2 ' /proc/self/mounts || "
                                              "mount -t cgroup2 cgroup2 {0} && exec \"$@\"",
                                              cgroup_root),
                                  "sh"};
  for (auto& part : argv) out.push_back(std::move(part));
  return out;
}

std::vector<std::string> Runtime::run_argv(const fs::path& bundle, const std::string& id) const {
  auto out = argv(state_root_);
  for (const auto& part : {std::string("run"), std::string("--bundle"), bundle.string(), id})
    out.push_back(part);
  return outside(std::move(out));
}

std::vector<std::string> Runtime::delete_argv(const std::string& id) const {
  auto out = argv(state_root_);
  for (const auto& part : {std::string("delete"), std::string("--force"), id}) out.push_back(part);
  return outside(std::move(out));
}

std::vector<std::string> Runtime::exec_argv(const std::string& id, const std::vector<std::string>& env,
                                            const std::vector<std::string>& args) const {
  auto out = argv(state_root_);
  out.push_back("exec");
  bool path = false;
  for (const auto& entry : env) {
    out.push_back("--env");
    out.push_back(entry);
    path = path || entry.starts_with("PATH=");
  }
  if (!path) {
    out.push_back("--env");
    out.push_back("PATH=" + std::string(default_path));
  }
  out.push_back(id);
  out.insert(out.end(), args.begin(), args.end());
  return outside(std::move(out));
}

std::vector<std::string> Runtime::exec_file_argv(const std::string& id, const fs::path& process) const {
  auto out = argv(state_root_);
  for (const auto& part : {std::string("exec"), std::string("--process"), process.string(), id})
    out.push_back(part);
  return out;
}

}  // namespace slipway::oci
