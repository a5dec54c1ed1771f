#include "report/history.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "report/fold.h"

namespace slipway {

namespace {

constexpr std::size_t kMaxLine = 1 << 20;  // of a first or last line

std::string read_at(int fd, off_t from, std::size_t size) {
  std::string out(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto n = ::pread(fd, out.data() + done, size - done, from + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  out.resize(done);
  return out;
}

std::optional<Event> event_of(std::string_view line) {
  const auto parsed = json::parse(line, nullptr, false);
  if (parsed.is_discarded()) return std::nullopt;
  try {
    return event_from_json(parsed);
  } catch (const Error&) {
    return std::nullopt;  // a damaged journal: told where it is replayed; a list goes on
  }
}

// The first and the last whole line of the file, read a window at a time.
std::string first_line(int fd, std::size_t size) {
  for (std::size_t window = 4096;; window *= 8) {
    const auto text = read_at(fd, 0, std::min(window, size));
    if (const auto end = text.find('\n'); end != std::string::npos) return text.substr(0, end);
    if (window >= size || window > kMaxLine) return {};
  }
}

std::string last_line(int fd, std::size_t size) {
  for (std::size_t window = 4096;; window *= 8) {
    const auto from = size > window ? size - window : 0;
    const auto text = read_at(fd, static_cast<off_t>(from), size - from);
    const auto end = text.rfind('\n');
    if (end == std::string::npos) return {};
    if (const auto before = text.rfind('\n', end ? end - 1 : 0); before != std::string::npos && before < end)
      return text.substr(before + 1, end - before - 1);
    if (from == 0) return text.substr(0, end);
    if (window > kMaxLine) return {};
  }
}

}  // namespace

RunSummary summarize_run(const RunFolder& run) {
  RunSummary summary;
  summary.id = run.id;
  const auto path = run.path / "events.ndjson";
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (fd && ::fstat(fd.get(), &info) == 0 && info.st_size > 0) {
    const auto size = static_cast<std::size_t>(info.st_size);
    if (const auto first = event_of(first_line(fd.get(), size))) {
      if (const auto* started = std::get_if<RunStarted>(&first->body)) {
        summary.spec = started->spec;
        summary.environment = started->environment;
        summary.argv = started->argv;
        summary.started = first->ts;
      }
    }
    if (const auto last = event_of(last_line(fd.get(), size))) {
      if (const auto* finished = std::get_if<RunFinished>(&last->body)) {
        summary.state = RunSummary::State::ended;
        summary.result = finished->result;
        summary.exit = finished->exit;
        summary.took = finished->took;
        return summary;
      }
    }
  }
  summary.state = run.running() ? RunSummary::State::running : RunSummary::State::crashed;
  return summary;
}

std::vector<RunSummary> recent_runs(const fs::path& state_dir, std::size_t count) {
  auto runs = list_runs(state_dir);
  std::vector<RunSummary> out;
  for (auto run = runs.rbegin(); run != runs.rend() && out.size() < count; ++run)
    out.push_back(summarize_run(*run));
  return out;
}

std::optional<RunFolder> last_run(const fs::path& state_dir, const fs::path& project_dir) {
  auto runs = list_runs(state_dir);
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->running()) continue;
    if (project_dir.empty()) return *run;
    try {
      if (run->plan().project_dir == project_dir) return *run;
    } catch (const Error&) {
      continue;  // killed before its plan was saved: it did nothing
    }
  }
  return std::nullopt;
}

Report report_of(const RunFolder& run) {
  Report report;
  run.replay([&](const Event& event) { fold(report, event); });
  report.run = run.id;
  return report;
}

json to_json(const RunSummary& s) {
  json out = {{"run", s.id}, {"spec", s.spec}, {"environment", s.environment}, {"argv", s.argv}};
  if (s.started) out["started"] = format_utc(s.started);
  switch (s.state) {
    case RunSummary::State::running:
      out["state"] = "running";
      break;
    case RunSummary::State::crashed:
      out["state"] = "crashed";
      break;
    case RunSummary::State::ended:
      out["state"] = "ended";
      out["result"] = to_string(s.result);
      out["exit"] = s.exit;
      out["ms"] = s.took.count();
      break;
  }
  return out;
}

}  // namespace slipway
