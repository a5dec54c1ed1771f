#include "plugins/local/shim/container.h"

#include <sched.h>
#include <sys/mount.h>

#include <csignal>

#include "base/error.h"
#include "oci/snapshot.h"
#include "sys/files.h"

namespace slipway::local {

namespace {

constexpr const char* kRuntimeState = "/run/slipway/runtime";  // where oci::Runtime keeps its containers

void mount_tmpfs(const fs::path& target, const char* options) {
  make_dirs(target, 0700);
  if (::mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
    throw_errno(fmt::format("mount memory at `{}`", target.string()), errno);
}

// A mount namespace of our own that hears of unmounts outside, and holds nobody else's network namespace
// alive.
void enter_private_mounts(const std::string& netns) {
  if (::unshare(CLONE_NEWNS) != 0) throw_errno("make a mount namespace", errno);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    throw_errno("make the mounts private", errno);
  std::error_code ec;
  std::vector<fs::path> others;
  for (const auto& entry : fs::directory_iterator("/run/netns", ec))
    if (entry.path() != netns) others.push_back(entry.path());
  for (const auto& other : others) ::umount2(other.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

oci::SandboxSpec sandbox(const ReplicaOrder& order, const fs::path& memory) {
  oci::SandboxSpec spec;
  spec.root = order.dir / "root";
  spec.args = order.args;
  spec.env = order.env;
  spec.cwd = order.cwd;
  spec.user = order.user;
  spec.hostname = order.hostname;
  spec.hosts = order.hosts;
  spec.tmpfs = order.tmpfs;
  spec.network = oci::SandboxSpec::Network::path;
  spec.netns = order.netns;
  for (const auto& [target, source] : order.volumes) spec.mounts.push_back({source, target, false});
  make_dirs(memory / "files", 0700);
  int n = 0;
  for (const auto& [target, content] : order.files) {
    const auto file = memory / "files" / std::to_string(n++);
    write_file_atomic(file, content,
                      0444);  // readable inside for its user; outside nobody reaches the folder
    spec.mounts.push_back({file.string(), target, true});
  }
  return spec;
}

}  // namespace

Container::Container(const ReplicaOrder& order)
    : id_(order.id),
      bundle_(order.dir / "memory" / "bundle"),
      runtime_(oci::Runtime::probe(order.cache_dir)) {
  make_dirs(kRuntimeState, 0700);
  enter_private_mounts(order.netns);
  const auto memory = order.dir / "memory";
  mount_tmpfs(memory, "mode=0700,size=64m");
  mount_tmpfs(kRuntimeState, "mode=0700,size=16m");
  for (const char* name : {"root", "upper", "work"}) make_dirs(order.dir / name);
  std::vector<fs::path> lowers(order.lowers.begin(), order.lowers.end());
  oci::mount_overlay(lowers, order.dir / "upper", order.dir / "work", order.dir / "root");
  runtime_.write_bundle(sandbox(order, memory), bundle_);
}

Child Container::start() const {
  // What an earlier life left; ours alone.
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(kRuntimeState, ec)) fs::remove_all(entry.path(), ec);
  Command command;
  command.argv = {"setpriv", "--pdeathsig", "KILL",         "unshare",
                  "--pid",   "--fork",      "--kill-child", "--mount-proc"};
  for (auto& part : runtime_.run_argv(bundle_, id_)) command.argv.push_back(std::move(part));
  command.cwd = "/";
  Child child(command);
  child.close_in();
  return child;
}

bool Container::signal(const Child& child, int number) {
  // unshare → the runtime (first in its PID namespace) → the container's first process.
  for (const auto runtime : children_of(child.pid()))
    for (const auto first : children_of(runtime))
      if (::kill(first, number) == 0) return true;
  return false;
}

int signal_number(std::string_view name) {
  if (!name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    const int number = std::atoi(std::string(name).c_str());
    return number > 0 && number < NSIG ? number : SIGTERM;
  }
  if (name.starts_with("SIG")) name.remove_prefix(3);
  if (name.starts_with("RTMIN+")) return SIGRTMIN + std::atoi(std::string(name.substr(6)).c_str()) % 30;
  for (int number = 1; number < NSIG; ++number)
    if (const char* known = ::sigabbrev_np(number); known && name == known) return number;
  return SIGTERM;
}

}  // namespace slipway::local
