#include "oci/background.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "oci/bundle.h"
#include "oci/scratch.h"
#include "oci/snapshot.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr std::size_t kKeptOutput = 64u << 10;
constexpr const char* kRuntimeState = "/run/slipway/runtime";  // where Runtime keeps its containers
constexpr const char* kId = "background";  // of the container: its state is seen by its own mounts alone

void mount_memory(const fs::path& target) {
  make_dirs(target, 0700);
  if (::mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=64m") != 0)
    throw_errno(fmt::format("mount memory at `{}`", target.string()), errno);
}

// For the calling thread and its children. Unmounts outside still come through, so that we keep nobody's
// network namespace alive.
void enter_private_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) throw_errno("make a mount namespace", errno);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    throw_errno("make the mounts private", errno);
}

pid_t first_child(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", pid));
  pid_t child = 0;
  in >> child;
  return child;
}

// Takes the mounts away by hand before their folders go: the namespace ends only with the thread.
struct Unmounter {
  std::vector<fs::path> places;
  ~Unmounter() {
    for (const auto& place : places) ::umount2(place.c_str(), MNT_DETACH);
  }
};

}  // namespace

BackgroundSandbox::BackgroundSandbox(const Runtime& runtime, SandboxSpec spec, fs::path cache_dir)
    : runtime_(runtime), spec_(std::move(spec)), cache_dir_(std::move(cache_dir)) {
  thread_ = std::jthread([this](std::stop_token stop) {
    std::string why;
    try {
      const Scratch scratch(cache_dir_, "background");
      why = "it exited: " + live(scratch.path(), std::move(stop)).status.str();
    } catch (const Error& e) {
      why = e.message();
    }
    std::lock_guard lock(mutex_);
    place_.clear();
    ended_ = std::move(why);
  });
}

BackgroundSandbox::~BackgroundSandbox() = default;

Finished BackgroundSandbox::live(const fs::path& place, std::stop_token stop) {
  enter_private_mounts();
  const auto memory = place / "memory";
  const Unmounter unmounter{{place / "root", memory, kRuntimeState}};
  mount_memory(memory);
  mount_memory(kRuntimeState);
  auto spec = spec_;
  spec.root = place / "root";
  make_dirs(spec.root);
  make_dirs(place / "places");
  make_mount_places(spec, place / "places");
  auto lowers = spec.overlay->lowers;
  lowers.insert(lowers.begin(), place / "places");
  mount_overlay(lowers, spec.overlay->upper, spec.overlay->work, spec.root);
  runtime_.write_bundle(spec, memory / "bundle");
  Command command;
  command.cwd = "/";
  // The number is for exec(). Our death kills `unshare`, its death kills the runtime, which is the first
  // process of the PID namespace, and that all others.
  command.argv = {"sh",          "-c",           "echo $$ >\"$0\"; exec \"$@\"",
                  place / "pid", "setpriv",      "--pdeathsig",
                  "KILL",        "unshare",      "--pid",
                  "--fork",      "--kill-child", "--mount-proc"};
  for (auto& part : runtime_.run_argv(memory / "bundle", kId)) command.argv.push_back(std::move(part));
  WaitOptions options;
  options.stop = std::move(stop);
  options.grace = Millis(0);  // its data is thrown away: nothing to put in order
  {
    std::lock_guard lock(mutex_);
    place_ = place;
  }
  return run_process(
      command,
      [this](Stream, std::string_view bytes) {
        std::lock_guard lock(mutex_);
        output_ += bytes;
        if (output_.size() > 2 * kKeptOutput) output_.erase(0, output_.size() - kKeptOutput);
      },
      options);
}

std::optional<std::string> BackgroundSandbox::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
}

pid_t BackgroundSandbox::runtime_process() const {
  const auto place = [&] {
    std::lock_guard lock(mutex_);
    return place_;
  }();
  pid_t outer = 0;
  if (!place.empty()) std::ifstream(place / "pid") >> outer;
  return outer ? first_child(outer) : 0;
}

void BackgroundSandbox::wait_started(std::stop_token stop) const {
  const auto started = [&] {
    const auto runtime = runtime_process();
    if (runtime == 0 || first_child(runtime) == 0) return false;
    // What the runtime knows of it is written when its process is there: crun's and runc's file.
    const auto state = fs::path(fmt::format("/proc/{}/root{}/{}", runtime, kRuntimeState, kId));
    std::error_code ec;
    return fs::exists(state / "status", ec) || fs::exists(state / "state.json", ec);
  };
  while (!ended() && !started()) {
    // Nobody tells when a runtime has made its container: look again, fifty times a second.
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, Millis(20), [] { return false; });
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  }
}

std::vector<std::string> BackgroundSandbox::last_lines(std::size_t count) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  std::size_t end = output_.size();
  if (end > 0 && output_[end - 1] == '\n') --end;
  while (end > 0 && lines.size() < count) {
    const auto newline = output_.rfind('\n', end - 1);
    const auto from = newline == std::string::npos ? 0 : newline + 1;
    lines.insert(lines.begin(), output_.substr(from, end - from));
    end = newline == std::string::npos ? 0 : newline;
  }
  return lines;
}

ProbeAnswer BackgroundSandbox::exec(const std::vector<std::string>& argv, Millis timeout,
                                    std::stop_token stop) const {
  static std::atomic<int> counter{0};
  const auto place = [&] {
    std::lock_guard lock(mutex_);
    return place_;
  }();
  const auto runtime = runtime_process();
  // Where the runtime stands: only there its state, and the memory, are to be seen.
  const auto seen = fs::path(fmt::format("/proc/{}/root", runtime)) / place.relative_path() / "memory";
  std::error_code ec;
  if (runtime == 0 || !fs::exists(seen / "bundle/config.json", ec)) return {false, "it has not started yet"};
  // The container's own process with another command: its user, capabilities and filter. In a file, as the
  // environment may hold secrets.
  auto process = nlohmann::json::parse(read_file(seen / "bundle/config.json")).at("process");
  process["args"] = argv;
  const auto name = fmt::format("exec-{}.json", ++counter);
  write_file_atomic(seen / name, process.dump(), 0600);
  Command command;
  command.cwd = "/";
  command.argv = {"nsenter", "--target", std::to_string(runtime), "--mount", "--pid", "--"};
  for (auto& part : runtime_.exec_file_argv(kId, place / "memory" / name))
    command.argv.push_back(std::move(part));
  std::string output;
  WaitOptions options;
  options.stop = std::move(stop);
  options.timeout = timeout;
  options.grace = Millis(500);
  const auto finished = run_process(
      command,
      [&](Stream, std::string_view bytes) {
        output.append(bytes.substr(0, 4096 - std::min<std::size_t>(4096, output.size())));
      },
      options);
  fs::remove(seen / name, ec);  // gone already with the container
  if (finished.cancelled) throw Error(ExitCode::interrupted, "interrupted");
  while (output.ends_with('\n')) output.pop_back();
  const auto first = output.substr(0, output.find('\n'));
  if (finished.timed_out) return {false, fmt::format("no answer within {}", format_duration(timeout))};
  if (finished.status.ok()) return {true, "exit 0"};
  return {false, finished.status.str() + (first.empty() ? "" : ": " + first)};
}

}  // namespace slipway::oci
