#include "plugins/local/replicas.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/clock.h"
#include "oci/sandbox.h"
#include "plugins/local/logs.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::local {

namespace {

constexpr int kExitsUntilHopeless = 3;

std::string fresh_id(const Place& place, const std::string& service) {
  std::random_device random;
  for (;;) {
    auto id = fmt::format("{}-{:06x}", service, random() & 0xffffff);
    std::error_code ec;
    if (!fs::exists(place.replica(id), ec)) return id;
  }
}

// A process that cannot be mistaken for another: the descriptor, then the look at when it began.
Fd open_process(const ProcessId& process) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  return fd && is_alive(process) ? std::move(fd) : Fd();
}

void send(const Fd& process, int signal) {
  ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
}

bool wait_gone(const Fd& process, Millis limit) {
  pollfd fd{process.get(), POLLIN, 0};
  return ::poll(&fd, 1, static_cast<int>(limit.count())) > 0;
}

std::string exit_words(int code) {
  if (code > 128 && code < 128 + NSIG) {
    const char* name = ::sigabbrev_np(code - 128);
    return fmt::format("exit {}{}", code, name ? fmt::format(" (SIG{})", name) : "");
  }
  return fmt::format("exit {}", code);
}

}  // namespace

fs::path shim_program() {
  if (const char* given = std::getenv("SLIPWAY_SHIM"); given && *given) return given;
  std::error_code ec;
  const auto self = fs::read_symlink("/proc/self/exe", ec).parent_path();
  for (const auto& folder : {self, self.parent_path()})
    if (fs::exists(folder / "slipway-shim", ec)) return folder / "slipway-shim";
  if (auto found = find_program("slipway-shim")) return *found;
  throw Error(ExitCode::unavailable, "`slipway-shim` is not installed")
      .hint("it is built with slipway and belongs beside it, or set SLIPWAY_SHIM");
}

Replica Replicas::start(const ServicePlan& plan, oci::Network& network, const std::vector<fs::path>& lowers,
                        const std::map<std::string, std::string>& hosts) const {
  Replica replica;
  replica.id = fresh_id(place_, plan.name);
  const auto dir = place_.replica(replica.id);
  make_dirs(place_.replicas(), 0700);
  make_dirs(dir, 0700);
  try {
    const auto attachment = network.attach(replica.id);
    replica.address = attachment.address;
    ReplicaOrder order;
    order.id = network.bridge() + "-" + replica.id;
    order.dir = dir;
    order.cache_dir = place_.cache;
    for (const auto& lower : lowers) order.lowers.push_back(lower.string());
    order.args = plan.args;
    order.env = plan.env;
    order.cwd = plan.cwd;
    order.user = plan.user;
    order.hostname = replica.id.size() <= 63 ? replica.id : plan.name;
    order.netns = attachment.netns.string();
    order.hosts = hosts;
    order.hosts[order.hostname] = attachment.address;
    for (const auto& [target, name] : plan.volumes) order.volumes[target] = place_.volume(name).string();
    order.files = plan.files;
    order.tmpfs = plan.tmpfs;
    order.stop_signal = plan.stop_signal;
    order.stop_grace_ms = plan.stop_grace_ms;
    Command command;
    // The folder is for those who read a list of processes, `slipway doctor` among them.
    command.argv = {shim_program().string(), replica.id, dir.string()};
    command.input = json(order).dump();
    command.cwd = "/";
    std::string said;
    WaitOptions options;
    options.timeout = Millis{60'000};
    const auto finished = run_process(
        command, [&](Stream, std::string_view text) { said += text; }, options);
    while (said.ends_with('\n')) said.pop_back();
    if (!finished.status.ok())
      throw Error(ExitCode::unavailable, fmt::format("cannot make a replica of `{}`: {}", plan.name,
                                                     said.empty() ? finished.status.str() : said));
    return replica;
  } catch (...) {
    std::optional<oci::Network> ours(network);
    stop({replica.id}, ours);
    throw;
  }
}

std::optional<ReplicaState> Replicas::state(const std::string& id) const {
  const auto text = read_file_if_exists(place_.replica(id) / "state.json", 1u << 20);
  return text ? ReplicaState::parse(*text) : std::nullopt;
}

bool Replicas::running(const std::string& id) const {
  const auto now = state(id);
  return now && now->status == "running" && is_alive(now->shim_process());
}

std::optional<std::string> Replicas::ended(const std::string& id) const {
  const auto now = state(id);
  if (!now || !is_alive(now->shim_process())) return "its monitor is gone";
  if (!now->exit_code) return std::nullopt;
  const bool cannot_start = *now->exit_code == 126 || *now->exit_code == 127;
  if (now->exits < kExitsUntilHopeless && !cannot_start) return std::nullopt;
  return now->exits == 1 ? fmt::format("it exited: {}", exit_words(*now->exit_code))
                         : fmt::format("it exited {} times: {}", now->exits, exit_words(*now->exit_code));
}

std::string Replicas::last_lines(const std::string& id, std::size_t count) const {
  std::string out;
  for (const auto& line : tail(place_.replica(id) / "log", count)) out += line.text + "\n";
  return out;
}

oci::ProbeAnswer Replicas::run_inside(const std::string& id, const std::vector<std::string>& argv,
                                      Millis timeout, std::stop_token stop) const {
  const auto now = state(id);
  const auto inner = now && now->runner ? children_of(now->runner) : std::vector<pid_t>{};
  if (inner.empty()) return {false, "it does not run"};
  // The monitor keeps the bundle in memory, in mounts of its own; they are seen through its child.
  const auto root = fs::path("/proc") / std::to_string(inner[0]) / "root";
  const auto memory = place_.replica(id) / "memory";
  auto process = json::parse(read_file(root / (memory / "bundle/config.json").relative_path())).at("process");
  process["args"] = argv;
  const auto file = memory / "bundle" / "exec.json";
  write_file_atomic(root / file.relative_path(), process.dump(), 0600);
  const auto network = oci::Network::find(place_.network());
  const auto runtime = oci::Runtime::probe(place_.cache);
  Command command;
  command.argv = {"nsenter", "--target", std::to_string(inner[0]), "--mount", "--pid", "--"};
  for (auto& part : runtime.exec_file_argv((network ? network->bridge() : "") + "-" + id, file))
    command.argv.push_back(std::move(part));
  command.cwd = "/";
  WaitOptions options;
  options.timeout = timeout;
  options.grace = Millis{100};
  options.stop = stop;
  std::string said;
  const auto finished = run_process(
      command,
      [&](Stream, std::string_view text) {
        said += text;
        if (said.size() > 8192) said.erase(0, said.size() - 4096);
      },
      options);
  if (finished.cancelled) throw Error(ExitCode::interrupted, "interrupted");
  if (finished.timed_out) return {false, fmt::format("no answer within {}", format_duration(timeout))};
  while (said.ends_with('\n')) said.pop_back();
  const auto last = said.substr(said.find_last_of('\n') + 1);
  if (finished.status.ok()) return {true, "exit 0"};
  return {false, last.empty() ? finished.status.str() : finished.status.str() + ": " + last};
}

void Replicas::stop(const std::vector<std::string>& ids, std::optional<oci::Network>& network) const {
  std::vector<std::pair<Fd, Millis>> processes;
  for (const auto& id : ids) {
    const auto now = state(id);
    if (!now) continue;
    auto process = open_process(now->shim_process());
    if (!process) continue;
    send(process, SIGTERM);
    processes.emplace_back(std::move(process), Millis(120'000));
  }
  // The monitor itself kills after the grace time; it is killed only when it is stuck, and all it runs with
  // it.
  for (const auto& [process, limit] : processes)
    if (!wait_gone(process, limit)) {
      send(process, SIGKILL);
      wait_gone(process, Millis(5'000));
    }
  for (const auto& id : ids) {
    if (network) network->detach(id);
    std::error_code ec;
    if (fs::exists(place_.replica(id), ec)) remove_tree(place_.replica(id));
  }
}

std::vector<std::string> Replicas::all() const {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(place_.replicas(), ec))
    out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace slipway::local
