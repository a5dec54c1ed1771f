#include "cli/run_command.h"

#include <sys/ioctl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/approver.h"
#include "cli/console.h"
#include "cli/output_file.h"
#include "cli/result.h"
#include "cli/signals.h"
#include "report/junit.h"
#include "run/cache.h"
#include "run/journal.h"
#include "sys/process.h"

namespace slipway::cli {

namespace {

std::pair<int, int> terminal_size() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {24, 80};
  return {size.ws_row, size.ws_col};
}

const char* env(const char* name) {
  return std::getenv(name);
}

std::string console_mode(const Session& session) {
  return choose_progress(session.progress, ::isatty(STDERR_FILENO) == 1, env);
}

std::unique_ptr<Console> console_for(const Session& session, const Report& report, OutputFile& screen,
                                     Approver& approver) {
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  ConsoleSettings settings;
  settings.report = &report;
  settings.look = choose_look(session.color, is_terminal, env);
  settings.verbose = session.verbose;
  settings.ci = detect_ci(env);
  settings.stop = session.stop;
  settings.write = [&screen](std::string_view text) { screen.write(text); };
  settings.size = terminal_size;
  settings.prompt = [&approver] { return approver.prompt(); };
  return make_console(console_mode(session), std::move(settings));
}

// A run that was refused before its first event leaves nothing behind.
class Kept {
 public:
  explicit Kept(const Journal& journal) : folder_(journal.folder()) {}
  ~Kept() {
    if (keep_) return;
    try {
      remove_tree(folder_);
    } catch (const Error&) {
      // The refusal itself is on its way to the user; an empty folder more is no news.
    }
  }
  void keep() { keep_ = true; }

 private:
  fs::path folder_;
  bool keep_ = false;
};

void print_result(const Session& session, const Report& report) {
  OutputFile out(STDOUT_FILENO);
  if (session.output == "json")
    out.write(result_json(report).dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  else if (session.events != "-" && report.result == Result::success)
    out.write(result_text(report));
}

void write_junit(const fs::path& path, const Report& report) {
  if (path.has_parent_path()) make_dirs(path.parent_path());
  write_file_atomic(path, junit_xml(report));
}

}  // namespace

void add_run_flags(CLI::App& command, RunFlags& flags) {
  command.add_option("-j,--jobs", flags.jobs, "steps at the same time (default: number of processors)")
      ->check(CLI::Range(1u, 10'000u));
  command.add_flag("-k,--keep-going", flags.keep_going,
                   "after a failure go on with what does not depend on it");
  command.add_flag("--no-cache", flags.no_cache, "run every step, also those whose outcome is kept");
  command.add_option("--junit", flags.junit, "write the outcome as JUnit XML to FILE");
}

void run_plan_command(Session& session, const Plan& plan, const RunFlags& flags,
                      std::map<std::string, DoneStep> done) {
  std::optional<OutputFile> events;
  if (!session.events.empty()) events.emplace(open_events(session.events));
  StepCache cache(session.dirs.cache);
  Journal journal(session.dirs.state, plan);
  Kept kept(journal);
  Report report;
  OutputFile screen(STDERR_FILENO);
  Approver approver(session, journal.run_id(), console_mode(session), env);
  const auto console = console_for(session, report, screen, approver);

  EngineOptions options;
  options.jobs = flags.jobs;
  options.keep_going = flags.keep_going;
  options.no_cache = flags.no_cache;
  options.dirs = session.dirs;
  options.run_id = journal.run_id();
  options.argv = session.argv;
  options.ci = detect_ci(env);
  options.done = std::move(done);
  options.idle_every = console->idle_every();
  std::string stream;  // events for --events, until the engine is idle
  options.on_idle = [&] {
    journal.flush();
    if (events) events->write(std::exchange(stream, {}));
    console->idle();
    options.idle_every = console->idle_every();
  };
  const auto sink = [&](const Event& event) {
    kept.keep();
    journal.write(event);
    if (events) stream += to_line(event);
    fold(report, event);
    console->on(event);
    for (const auto& line : approver.on(event)) console->say(line);
  };
  const auto finished = run_plan(plan, *session.plugins, cache, options, sink, session.stop, session.kill);

  if (events && events->error())
    screen.write(fmt::format("slipway: the event stream `{}` broke: {}\n", session.events,
                             std::strerror(events->error())));
  print_result(session, report);
  if (!flags.junit.empty()) write_junit(flags.junit, report);
  retain_runs(session.dirs.state, static_cast<std::size_t>(plan.keep_runs));
  session.exit_code =
      finished.exit == static_cast<int>(ExitCode::interrupted) ? Signals::exit_code() : finished.exit;
  if (any_abandoned()) {
    // Threads of abandoned steps still run: their objects must not be destroyed under them, and what they
    // started must not outlive us.
    kill_all_children();
    std::fflush(nullptr);
    std::_Exit(session.exit_code);
  }
}

}  // namespace slipway::cli
