#include "oci/bundle.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "oci/seccomp.h"
#include "oci/snapshot.h"
#include "oci/users.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

using nlohmann::json;

// Docker's default list without CAP_MKNOD: the devices cgroup that makes it harmless is not always ours.
json capabilities(const SandboxSpec& spec) {
  auto list = json{"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",     "CAP_FOWNER",  "CAP_NET_RAW",
                   "CAP_SETGID", "CAP_SETUID",       "CAP_SETFCAP",    "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
                   "CAP_KILL",   "CAP_SYS_CHROOT",   "CAP_AUDIT_WRITE"};
  if (spec.insecure)
    for (const char* more :
         {"CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
          "CAP_DAC_READ_SEARCH", "CAP_LINUX_IMMUTABLE", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_NICE",
          "CAP_SYS_TTY_CONFIG", "CAP_LEASE"})
      list.push_back(more);
  return {{"bounding", list}, {"effective", list}, {"permitted", list}};
}

json mount(std::string_view target, std::string_view type, std::string_view source, json options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

json bind_mount(std::string_view source, std::string_view target, bool read_only, bool recursive = true) {
  return mount(target, "bind", source, {recursive ? "rbind" : "bind", "rprivate", read_only ? "ro" : "rw"});
}

// A mount target lies in the root, whatever a user wrote.
std::string target_of(const std::string& text) {
  const auto normal = (fs::path("/") / text).lexically_normal();
  if (normal == "/")
    throw Error(ExitCode::usage, fmt::format("`{}` is no place to mount something: it is the root", text));
  auto out = normal.string();
  if (out.ends_with('/')) out.pop_back();
  return out;
}

json mounts(const SandboxSpec& spec, const fs::path& dir) {
  auto out = json::array();
  out.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  out.push_back(mount("/dev/pts", "devpts", "devpts",
                      {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  out.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  out.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  const auto absolute = fs::absolute(dir);
  out.push_back(bind_mount((absolute / "hosts").string(), "/etc/hosts", false, false));
  out.push_back(bind_mount((absolute / "resolv.conf").string(), "/etc/resolv.conf", false, false));
  for (const auto& target : spec.tmpfs)
    out.push_back(mount(target_of(target), "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=1777"}));
  for (const auto& m : spec.mounts) {
    std::error_code ec;
    if (!fs::exists(m.source, ec))
      throw Error(ExitCode::usage, fmt::format("cannot mount `{}`: it does not exist", m.source));
    out.push_back(bind_mount(fs::absolute(m.source).string(), target_of(m.target), m.read_only));
  }
  return out;
}

bool has(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& entry) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
  });
}

json process(const SandboxSpec& spec) {
  const auto root = Fd(::open(spec.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw_errno(fmt::format("open the root `{}`", spec.root.string()), errno);
  const auto who = find_user(UserFiles::read(root.get()), spec.user);
  auto env = spec.env;
  if (!has(env, "PATH")) env.push_back("PATH=" + std::string(default_path));
  if (!has(env, "HOME")) env.push_back("HOME=" + who.home);
  auto groups = who.groups;
  groups.push_back(who.gid);
  return {{"terminal", false},
          {"args", spec.args},
          {"env", env},
          {"cwd", spec.cwd.empty() ? "/" : spec.cwd},
          {"user", {{"uid", who.uid}, {"gid", who.gid}, {"umask", 022}, {"additionalGids", groups}}},
          {"capabilities", capabilities(spec)},
          {"noNewPrivileges", false},
          {"oomScoreAdj", 0}};
}

json namespaces(const SandboxSpec& spec) {
  auto out = json::array();
  for (const char* type : {"pid", "mount", "ipc", "uts"}) out.push_back({{"type", type}});
  if (spec.network == SandboxSpec::Network::none) out.push_back({{"type", "network"}});
  if (spec.network == SandboxSpec::Network::path)
    out.push_back({{"type", "network"}, {"path", spec.netns.string()}});
  return out;
}

json resources(const SandboxSpec& spec) {
  json out = json::object();
  if (spec.memory_bytes) out["memory"] = {{"limit", spec.memory_bytes}};
  if (spec.cpus > 0)
    out["cpu"] = {{"quota", static_cast<std::int64_t>(spec.cpus * 100'000)}, {"period", 100'000}};
  return out;
}

json linux_part(const SandboxSpec& spec, bool limits) {
  json out = {{"namespaces", namespaces(spec)}, {"rootfsPropagation", "private"}};
  if (!spec.insecure) {
    out["seccomp"] = seccomp_profile();
    out["maskedPaths"] = {"/proc/acpi",
                          "/proc/asound",
                          "/proc/kcore",
                          "/proc/keys",
                          "/proc/latency_stats",
                          "/proc/timer_list",
                          "/proc/timer_stats",
                          "/proc/sched_debug",
                          "/proc/scsi",
                          "/sys/firmware",
                          "/sys/devices/virtual/powercap"};
    out["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  }
  if (limits) {
    if (auto wanted = resources(spec); !wanted.empty()) out["resources"] = wanted;
    if (!spec.cgroup_name.empty()) out["cgroupsPath"] = "/slipway/" + spec.cgroup_name;
  }
  return out;
}

std::string hosts_file(const SandboxSpec& spec, const std::string& hostname) {
  if (spec.network == SandboxSpec::Network::host && spec.hosts.empty())
    if (auto own = read_file_if_exists("/etc/hosts", 10u << 20)) return *own;
  std::string out =
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  if (!spec.hosts.contains(hostname)) out += fmt::format("127.0.1.1\t{}\n", hostname);
  for (const auto& [name, address] : spec.hosts) out += fmt::format("{}\t{}\n", address, name);
  return out;
}

}  // namespace

std::string sandbox_resolv_conf(SandboxSpec::Network network, std::string_view host_file) {
  if (network == SandboxSpec::Network::host) return std::string(host_file);
  std::string out;
  if (network == SandboxSpec::Network::none) return out;
  while (!host_file.empty()) {
    const auto end = std::min(host_file.find('\n'), host_file.size());
    const auto line = host_file.substr(0, end);
    host_file.remove_prefix(std::min(end + 1, host_file.size()));
    const bool server = line.starts_with("nameserver");
    const auto address =
        server ? line.substr(std::min(line.find_first_not_of(" \t", 10), line.size())) : line;
    if (server && (address.starts_with("127.") || address.starts_with("::1"))) continue;
    out += std::string(line) + "\n";
  }
  return out;
}

void write_bundle_files(const SandboxSpec& spec, const fs::path& dir, bool limits) {
  make_dirs(dir);
  const auto hostname = spec.hostname.empty() ? std::string("slipway") : spec.hostname;
  write_file_atomic(dir / "hosts", hosts_file(spec, hostname));
  write_file_atomic(
      dir / "resolv.conf",
      sandbox_resolv_conf(spec.network, read_file_if_exists("/etc/resolv.conf", 1u << 20).value_or("")));
  const json config = {
      {"ociVersion", "1.0.2"},
      {"process", process(spec)},
      {"root", {{"path", fs::absolute(spec.root).string()}, {"readonly", spec.read_only_root}}},
      {"hostname", hostname},
      {"mounts", mounts(spec, dir)},
      {"linux", linux_part(spec, limits)}};
  // The environment may hold a secret.
  write_file_atomic(dir / "config.json", config.dump(), 0600);
}

void make_mount_places(const SandboxSpec& spec, const fs::path& dir) {
  for (const char* name : {"dev", "proc", "sys", "etc"}) make_dirs(dir / name);
  write_file_atomic(dir / "etc" / "hosts", "");
  write_file_atomic(dir / "etc" / "resolv.conf", "");
  for (const auto& target : spec.tmpfs) make_dirs(dir / target_of(target).substr(1));
  for (const auto& m : spec.mounts) {
    const auto place = dir / target_of(m.target).substr(1);
    std::error_code ec;
    if (fs::is_directory(m.source, ec)) {
      make_dirs(place);
    } else {
      make_dirs(place.parent_path());
      if (!fs::exists(place, ec)) write_file_atomic(place, "");
    }
  }
}

}  // namespace slipway::oci
