#include "oci/background.h"

#include <unistd.h>

#include <atomic>
#include <charconv>

#include "base/error.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr std::size_t kKeptOutput = 64u << 10;
constexpr const char* kMarker = "SLIPWAY_SANDBOX=";

std::string fresh_marker() {
  static std::atomic<int> counter{0};
  return fmt::format("{}{}-{}", kMarker, ::getpid(), ++counter);
}

// The number of PID namespaces a process is in, and its number in the innermost (proc(5), NSpid).
std::vector<int> pids_in_namespaces(const fs::path& proc) {
  std::vector<int> out;
  const auto status = read_file_if_exists(proc / "status", 1 << 16).value_or("");
  const auto at = status.find("\nNSpid:");
  if (at == std::string::npos) return out;
  const char* from = status.data() + at + 7;
  const char* end = status.data() + std::min(status.find('\n', at + 1), status.size());
  while (from < end) {
    while (from < end && (*from == '\t' || *from == ' ')) ++from;
    int number = 0;
    const auto [next, problem] = std::from_chars(from, end, number);
    if (problem != std::errc()) break;
    out.push_back(number);
    from = next;
  }
  return out;
}

// The first process of the container whose environment holds `marker`; 0 when it has not started yet.
pid_t find_init(const std::string& marker) {
  std::error_code ec;
  for (fs::directory_iterator it("/proc", ec), end; !ec && it != end; it.increment(ec)) {
    const auto name = it->path().filename().string();
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size())
      continue;
    const auto pids = pids_in_namespaces(it->path());
    if (pids.size() < 2 || pids.back() != 1) continue;
    std::string environment;
    try {
      environment = read_file_if_exists(it->path() / "environ", 1 << 20).value_or("");
    } catch (const Error&) {
      continue;  // gone meanwhile
    }
    if (('\0' + environment).find('\0' + marker + '\0') != std::string::npos) return pid;
  }
  return 0;
}

}  // namespace

BackgroundSandbox::BackgroundSandbox(const Runtime& runtime, SandboxSpec spec)
    : runtime_(runtime), spec_(std::move(spec)), marker_(fresh_marker()) {
  spec_.env.push_back(marker_);
  thread_ = std::jthread([this](std::stop_token stop) {
    std::string why;
    try {
      WaitOptions options;
      options.stop = std::move(stop);
      options.grace = Millis(0);  // its data is thrown away: nothing to put in order
      const auto finished = runtime_.run(
          spec_,
          [this](Stream, std::string_view bytes) {
            std::lock_guard lock(mutex_);
            output_ += bytes;
            if (output_.size() > 2 * kKeptOutput) output_.erase(0, output_.size() - kKeptOutput);
          },
          options);
      why = "it exited: " + finished.status.str();
    } catch (const Error& e) {
      why = e.message();
    }
    std::lock_guard lock(mutex_);
    ended_ = std::move(why);
  });
}

BackgroundSandbox::~BackgroundSandbox() = default;

std::optional<std::string> BackgroundSandbox::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
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
  const auto pid = find_init(marker_);
  if (pid == 0) return {false, "it has not started yet"};
  Command command;
  command.argv = {"nsenter", "--target", std::to_string(pid), "--mount", "--uts", "--ipc", "--net", "--pid",
                  "--root",  "--wd"};
  command.clear_env = true;
  for (const auto& entry : spec_.env)
    if (const auto equals = entry.find('='); equals != std::string::npos)
      command.env[entry.substr(0, equals)] = entry.substr(equals + 1);
  if (!command.env.contains("PATH")) command.env["PATH"] = default_path;
  command.argv.insert(command.argv.end(), argv.begin(), argv.end());
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
  while (output.ends_with('\n')) output.pop_back();
  const auto first = output.substr(0, output.find('\n'));
  if (finished.timed_out) return {false, fmt::format("no answer in {}", format_duration(timeout))};
  if (finished.status.ok()) return {true, "exit 0"};
  return {false, finished.status.str() + (first.empty() ? "" : ": " + first)};
}

}  // namespace slipway::oci
