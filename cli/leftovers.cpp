#include "cli/leftovers.h"

#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "oci/network.h"
#include "oci/scratch.h"
#include "plugins/test/private_network.h"
#include "report/history.h"
#include "run/journal.h"

namespace slipway::cli {

namespace {

class Silent : public Context {
 public:
  void log(std::string_view, bool) override {}
  void progress(const Progress&) override {}
  void event(std::string_view, json) override {}
  std::stop_token stop() const override { return {}; }
};

template <typename F>
Leftover clear(std::string what, bool dry_run, F&& work) {
  Leftover out{std::move(what), false, "`slipway doctor` without --dry-run clears it"};
  if (dry_run) return out;
  try {
    work();
    out.cleared = true;
  } catch (const Error& e) {
    out.hint = e.message();
  }
  return out;
}

// Replicas of rollouts that were cut off, in each project and environment.
void of_places(Plugins& plugins, const Dirs& dirs, bool dry_run, std::vector<Leftover>& out) {
  std::error_code ec;
  for (const auto& project : fs::directory_iterator(dirs.state / "local", ec)) {
    std::error_code ignored;
    for (const auto& environment : fs::directory_iterator(project.path(), ignored)) {
      Invocation invocation;
      invocation.action = "clean";
      invocation.params = {{"project", project.path().filename().string()},
                           {"environment", environment.path().filename().string()},
                           {"dry_run", dry_run}};
      invocation.cache_dir = dirs.cache;
      invocation.state_dir = dirs.state;
      Silent context;
      try {
        const auto outcome = plugins.get("local", fs::current_path()).run(invocation, context);
        for (const auto& what : outcome.outputs.at("found"))
          out.push_back({what.get<std::string>(), !dry_run, "`slipway doctor` without --dry-run clears it"});
      } catch (const Error& e) {
        out.push_back({environment.path().string(), false, e.message()});
      }
    }
  }
}

// Bridges whose state folder is gone: nobody can find them any more but by looking.
void of_networks(bool dry_run, std::vector<Leftover>& out) {
  for (const auto& bridge : oci::Network::orphans())
    out.push_back(clear(fmt::format("network bridge {}", bridge), dry_run,
                        [&] { oci::Network::remove_orphan(bridge); }));
}

// The strings of /proc/PID/cmdline or environ; none of a process that ended or is not ours to look at.
std::vector<std::string> strings_of(const fs::path& file) {
  std::string text;
  try {
    text = read_file_if_exists(file).value_or("");
  } catch (const Error&) {
    return {};
  }
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\0', from), text.size());
    out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

std::vector<fs::path> all_processes() {
  std::vector<fs::path> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/proc", ec))
    if (std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0])))
      out.push_back(entry.path());
  return out;
}

void signal_process(const fs::path& process, int signal) {
  if (::kill(std::atoi(process.filename().c_str()), signal) != 0 && errno != ESRCH)
    throw_errno("stop it", errno);
}

// The run whose step started a process: each finds its reports folder below runs/RUN in its environment.
std::string run_of(const fs::path& process, const fs::path& runs) {
  for (const auto& variable : strings_of(process / "environ")) {
    if (!variable.starts_with("SLIPWAY_REPORTS=")) continue;
    const auto inside = fs::path(variable.substr(16)).lexically_relative(runs);
    return inside.empty() ? "" : inside.begin()->string();
  }
  return "";
}

// What steps of killed runs had started. Of a run that ended, what still lives is meant to.
void of_steps(const Dirs& dirs, bool dry_run, std::vector<Leftover>& out) {
  std::set<std::string> crashed;
  for (const auto& run : list_runs(dirs.state))
    if (summarize_run(run).state == RunSummary::State::crashed) crashed.insert(run.id);
  if (crashed.empty()) return;
  for (const auto& process : all_processes()) {
    const auto run = run_of(process, dirs.state / "runs");
    if (!crashed.contains(run)) continue;
    const auto args = strings_of(process / "cmdline");
    out.push_back(clear(fmt::format("process {} ({}) of run {}", process.filename().string(),
                                    args.empty() ? "" : fs::path(args[0]).filename().string(), run),
                        dry_run, [&] { signal_process(process, SIGKILL); }));
  }
}

// Monitors and balancers whose folder somebody removed under them.
void of_processes(bool dry_run, std::vector<Leftover>& out) {
  for (const auto& process : all_processes()) {
    const auto args = strings_of(process / "cmdline");
    if (args.empty()) continue;
    const auto program = fs::path(args[0]).filename();
    fs::path folder;
    if (program == "slipway-shim" && args.size() == 3) folder = args[2];
    if (program == "haproxy")
      for (std::size_t i = 1; i + 1 < args.size(); ++i)
        if (args[i] == "-f" && fs::path(args[i + 1]).filename() == "haproxy.cfg" &&
            fs::path(args[i + 1]).parent_path().filename() == "balancer")
          folder = fs::path(args[i + 1]).parent_path();
    std::error_code ignored;
    if (folder.empty() || fs::exists(folder, ignored)) continue;
    out.push_back(clear(
        fmt::format("{} (process {}) of {}", program.string(), process.filename().string(), folder.string()),
        dry_run, [&] { signal_process(process, SIGTERM); }));
  }
}

// A path of /proc/self/mountinfo, where blanks and backslashes are octal (proc(5)).
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  return out;
}

// Lazily: what still uses a mount keeps it until it ends. Nothing is removed while something is mounted
// below: it may be anyone's files.
void remove_with_mounts(const fs::path& folder) {
  std::vector<std::string> mounts;
  std::istringstream lines(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, target;
    words >> id >> parent >> device >> root >> target;
    target = unescape(target);
    if (target.starts_with(folder.string() + "/")) mounts.push_back(target);
  }
  for (auto it = mounts.rbegin(); it != mounts.rend(); ++it)
    if (::umount2(it->c_str(), MNT_DETACH) != 0) throw_errno(fmt::format("unmount `{}`", *it), errno);
  remove_tree(folder);
}

// Of steps, builds and tests whose slipway was killed.
void of_folders(const Dirs& dirs, bool dry_run, std::vector<Leftover>& out) {
  std::vector<fs::path> folders = oci::abandoned_scratch(dirs.cache), work;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(dirs.cache / "work", ec)) work.push_back(entry.path());
  std::set<std::string> running;  // after the folders, so that a run that begins meanwhile is not touched
  for (const auto& run : list_runs(dirs.state))
    if (run.running()) running.insert(run.id);
  for (const auto& folder : work)
    if (!running.contains(folder.filename().string())) folders.push_back(folder);
  for (const auto& folder : folders)
    out.push_back(
        clear(fmt::format("folder {}", folder.string()), dry_run, [&] { remove_with_mounts(folder); }));
  for (const auto& network : PrivateNetwork::abandoned(dirs.cache))
    out.push_back(clear(fmt::format("network of a test {}", network.filename().string()), dry_run,
                        [&] { PrivateNetwork::clear(network); }));
}

}  // namespace

std::vector<Leftover> find_leftovers(Plugins& plugins, const Dirs& dirs, bool dry_run) {
  std::vector<Leftover> out;
  of_places(plugins, dirs, dry_run, out);
  of_steps(dirs, dry_run, out);
  if (::geteuid() != 0) return out;
  of_processes(dry_run, out);
  of_folders(dirs, dry_run, out);
  of_networks(dry_run, out);
  return out;
}

}  // namespace slipway::cli
