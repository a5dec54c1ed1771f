#include "run/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"

namespace slipway {

namespace {

constexpr std::uint64_t kMaxJournal = 2ull << 30;  // bytes read back
constexpr std::size_t kBuffer = 256 << 10;

std::string id_from_number(std::uint64_t number) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out;
  do {
    out.insert(out.begin(), digits[number % 36]);
    number /= 36;
  } while (number);
  return "r-" + out;
}

std::optional<std::uint64_t> number_from_id(std::string_view id) {
  if (!id.starts_with("r-") || id.size() < 3 || id.size() > 12) return std::nullopt;
  std::uint64_t number = 0;
  for (char c : id.substr(2)) {
    if (c >= '0' && c <= '9')
      number = number * 36 + static_cast<std::uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'z')
      number = number * 36 + static_cast<std::uint64_t>(c - 'a') + 10;
    else
      return std::nullopt;
  }
  return number;
}

}  // namespace

std::vector<RunFolder> list_runs(const fs::path& state_dir) {
  std::vector<std::pair<std::uint64_t, RunFolder>> found;
  std::error_code missing;  // no run yet
  for (const auto& entry : fs::directory_iterator(state_dir / "runs", missing)) {
    const auto id = entry.path().filename().string();
    if (const auto number = number_from_id(id)) found.push_back({*number, RunFolder{id, entry.path()}});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<RunFolder> out;
  for (auto& [number, run] : found) out.push_back(std::move(run));
  return out;
}

Journal::Journal(const fs::path& state_dir, const Plan& plan) {
  make_dirs(state_dir / "runs", 0700);
  const auto runs = list_runs(state_dir);
  std::uint64_t number = runs.empty() ? 1 : *number_from_id(runs.back().id) + 1;
  // Another process may take the same number first: mkdir decides.
  for (;; ++number) {
    run_id_ = id_from_number(number);
    folder_ = state_dir / "runs" / run_id_;
    if (::mkdir(folder_.c_str(), 0700) == 0) break;
    if (errno != EEXIST) throw_errno(fmt::format("make `{}`", folder_.string()), errno);
  }
  lock_ = FileLock::try_lock(folder_ / "lock");
  const auto path = folder_ / "events.ndjson";
  events_ = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!events_) throw_errno(fmt::format("make `{}`", path.string()), errno);
  append_file(folder_ / "plan.json", to_text(plan));
}

Journal::~Journal() {
  try {
    flush();
  } catch (const Error&) {
    // A destructor cannot tell; the engine flushes at the end of the run and tells then.
  }
}

void Journal::write(const Event& event) {
  buffer_ += to_line(event);
  if (buffer_.size() >= kBuffer) flush();
}

void Journal::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const auto n = ::write(events_.get(), rest.data(), rest.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      const int why = errno;
      buffer_.clear();
      throw_errno(fmt::format("write `{}`", (folder_ / "events.ndjson").string()), why);
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  buffer_.clear();
}

bool RunFolder::running() const {
  return !FileLock::try_lock(path / "lock");
}

Plan RunFolder::plan() const {
  const auto text = read_file_if_exists(path / "plan.json");
  if (!text) throw Error(ExitCode::usage, fmt::format("run `{}` has no saved plan", id));
  const auto saved = json::parse(*text, nullptr, false);
  if (saved.is_discarded())
    throw Error(ExitCode::usage, fmt::format("the saved plan of run `{}` is torn", id))
        .hint("it was killed before its first step: use `slipway run`");
  return plan_from_json(saved);
}

void RunFolder::replay(const EventSink& sink) const {
  const auto text = read_file_if_exists(path / "events.ndjson", kMaxJournal);
  if (text) replay_events(*text, (path / "events.ndjson").string(), sink);
}

RunFolder find_run(const fs::path& state_dir, const std::string& id) {
  auto runs = list_runs(state_dir);
  std::vector<std::string> names;
  for (auto& run : runs) {
    if (run.id == id) return run;
    names.push_back(run.id);
  }
  throw Error(ExitCode::usage, fmt::format("there is no run `{}`", id))
      .hint(names.empty() ? "nothing ran yet" : fmt::format("the last one is `{}`", names.back()));
}

void retain_runs(const fs::path& state_dir, std::size_t keep) {
  const auto runs = list_runs(state_dir);
  if (runs.size() <= keep) return;
  for (std::size_t i = 0; i < runs.size() - std::max<std::size_t>(keep, 1); ++i)
    if (!runs[i].running()) remove_tree(runs[i].path);
}

void replay_events(std::string_view text, const std::string& name, const EventSink& sink) {
  std::size_t number = 0;
  for (std::size_t from = 0;;) {
    const auto end = text.find('\n', from);
    if (end == std::string_view::npos) return;  // torn, or the end
    ++number;
    const auto line = json::parse(text.substr(from, end - from), nullptr, false);
    from = end + 1;
    try {
      if (auto event = event_from_json(line)) sink(*event);
    } catch (Error& e) {
      // A crash of the machine can leave zeros behind the last flush: the end of the journal, as a torn line
      // is.
      if (line.is_discarded() && text.find('\n', from) == std::string_view::npos) return;
      throw e.at(Location{name, static_cast<int>(number), 1, 1});
    }
  }
}

}  // namespace slipway
