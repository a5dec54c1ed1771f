// The checks through THE interface.
#include "plugin/conformance.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "plugin/schema.h"
#include "sys/digest.h"
#include "sys/files.h"

namespace slipway {

namespace {

using Result = ConformanceCheck::Result;

// Throws away what it is told, and asks to stop when the time is over.
class TimedContext : public Context {
 public:
  explicit TimedContext(Millis limit) {
    timer_ = std::jthread([this, limit](std::stop_token end) {
      std::unique_lock lock(mutex_);
      if (!over_.wait_for(lock, end, limit, [] { return false; }) && !end.stop_requested()) {
        late_ = true;
        stop_.request_stop();
      }
    });
  }
  void log(std::string_view, bool) override {}
  void progress(const Progress&) override {}
  void event(std::string_view, json) override {}
  std::stop_token stop() const override { return stop_.get_token(); }
  void request_stop() { stop_.request_stop(); }
  bool late() const { return late_; }

 private:
  std::stop_source stop_;
  std::atomic<bool> late_{false};
  std::mutex mutex_;
  std::condition_variable_any over_;
  std::jthread timer_;  // last: it uses all of the above
};

// The folders of one call, as the engine would make them.
struct Place {
  TempDir dir{fs::temp_directory_path(), "slipway-plugin-test-"};
  Invocation invocation;

  Place(const ActionInfo& action, const json& params) {
    invocation.action = action.name;
    invocation.params = params;
    invocation.step = "example";
    invocation.run_id = "r-test";
    const auto make = [&](const char* name) {
      make_dirs(dir.path() / name);
      return dir.path() / name;
    };
    invocation.project_dir = make("project");
    invocation.cache_dir = make("cache");
    invocation.state_dir = make("state");
    invocation.work_dir = make("work");
    invocation.reports_dir = make("reports");
  }
};

// Names and contents below a folder.
std::string picture(const fs::path& folder) {
  std::set<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    lines.insert(entry.path().lexically_relative(folder).string() +
                 (entry.is_regular_file() ? " " + Digest::of_file(entry.path()).hex() : ""));
  std::string out;
  for (const auto& line : lines) out += line + "\n";
  return out;
}

std::string first_of(const std::vector<SchemaMistake>& mistakes) {
  return mistakes.empty()
             ? ""
             : mistakes[0].message + (mistakes[0].hint.empty() ? "" : " (" + mistakes[0].hint + ")");
}

class Conformance {
 public:
  Conformance(Plugin& plugin, const OnCheck& on_check, const ConformanceLimits& limits)
      : plugin_(plugin), on_check_(on_check), limits_(limits) {}

  void all() {
    check("it says its name, version and what it is for", [&] {
      const auto& info = plugin_.info();
      if (info.name.empty()) return std::string("`name` is empty");
      if (info.version.empty()) return std::string("`version` is empty");
      if (info.summary.empty()) return std::string("`summary` is empty");
      return std::string(info.actions.empty() ? "it has no actions" : "");
    });
    for (const auto& action : plugin_.info().actions) this->action(action);
  }

 private:
  // `body` says what is wrong, or "".
  template <typename F>
  bool check(const std::string& name, F&& body) {
    ConformanceCheck result;
    result.name = name;
    try {
      result.why = body();
    } catch (const Error& e) {
      result.why = e.str();
    } catch (const std::exception& e) {
      result.why = std::string("an unexpected exception: ") + e.what();
    }
    if (!result.why.empty()) result.result = Result::failed;
    on_check_(result);
    return result.why.empty();
  }

  void action(const ActionInfo& action) {
    const auto said = "`" + action.name + "` ";
    const bool good = check(said + "describes its params and outputs in a schema slipway can check", [&] {
      for (const auto* schema : {&action.params, &action.outputs}) {
        if (const auto wrong = first_of(check_is_schema(*schema)); !wrong.empty()) return wrong;
        if (check_schema("text", *schema).empty()) return std::string("say `\"type\": \"object\"`");
      }
      return std::string(action.summary.empty() ? "`summary` is empty" : "");
    });
    if (!good) return;
    const auto examples = action.params.find("examples");
    if (examples == action.params.end() || examples->empty())
      return on_check_({Result::skipped, said + "runs", "its params schema has no `examples`"});
    for (const auto& example : *examples) this->example(action, said, example);
  }

  void example(const ActionInfo& action, const std::string& said, const json& params) {
    if (!check(said + "has an example that fits its schema",
               [&] { return first_of(check_schema(params, action.params)); }))
      return;
    json outputs;
    if (!check(said + "runs its example, and its outputs fit their schema", [&] {
          const auto outcome = run(action, params);
          outputs = outcome.outputs;
          return outcome.ok ? first_of(check_schema(outputs, action.outputs)) : "failed: " + outcome.failure;
        }))
      return;
    check(said + "says the same fingerprint twice", [&] {
      Place place(action, params);
      TimedContext context(limits_.example);
      const auto first = plugin_.fingerprint(place.invocation, context);
      return std::string(plugin_.fingerprint(place.invocation, context) == first ? "" : "they differ");
    });
    if (action.cacheable)
      check(said + "gives the same outputs twice, as it says to be cacheable", [&] {
        const auto again = run(action, params).outputs;
        return again == outputs ? "" : fmt::format("{} and {}", outputs.dump(), again.dump());
      });
    check(said + "runs several times at once", [&] { return at_once(action, params); });
    check(said + "ends soon when it is to stop", [&] {
      Place place(action, params);
      TimedContext context(limits_.example);
      context.request_stop();
      const auto start = std::chrono::steady_clock::now();
      try {
        plugin_.run(place.invocation, context);
      } catch (const Error& e) {
        if (e.code() != ExitCode::interrupted) throw;
      }
      return std::string(std::chrono::steady_clock::now() - start < std::chrono::seconds(10)
                             ? ""
                             : "it took more than 10 s");
    });
    if (action.can_preview)
      check(said + "previews without changing anything", [&] {
        Place place(action, params);
        TimedContext context(limits_.example);
        const auto before = picture(place.dir.path());
        plugin_.preview(place.invocation, context);
        return std::string(picture(place.dir.path()) == before ? "" : "files have changed");
      });
    if (action.can_undo)
      check(said + "takes back what it did", [&] {
        Place place(action, params);
        TimedContext context(limits_.example);
        const auto made = plugin_.run(place.invocation, context);
        const auto outcome = plugin_.undo(place.invocation, made.outputs, context);
        return outcome.ok ? "" : "failed: " + outcome.failure;
      });
  }

  Outcome run(const ActionInfo& action, const json& params) {
    Place place(action, params);
    TimedContext context(limits_.example);
    auto outcome = plugin_.run(place.invocation, context);
    if (context.late())
      throw Error(ExitCode::timeout, "it took longer than " + format_duration(limits_.example));
    return outcome;
  }

  std::string at_once(const ActionInfo& action, const json& params) {
    std::mutex mutex;
    std::string wrong;  // guarded by mutex
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
          std::string why;
          try {
            const auto outcome = run(action, params);
            why = outcome.ok ? "" : "failed: " + outcome.failure;
          } catch (const std::exception& e) {
            why = e.what();
          }
          const std::lock_guard lock(mutex);
          if (wrong.empty()) wrong = why;
        });
    }
    return wrong;
  }

  Plugin& plugin_;
  const OnCheck& on_check_;
  const ConformanceLimits& limits_;
};

}  // namespace

void check_plugin(Plugin& plugin, const OnCheck& on_check, const ConformanceLimits& limits) {
  Conformance(plugin, on_check, limits).all();
}

}  // namespace slipway
