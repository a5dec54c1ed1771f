// THE interface of plugins. Built-ins implement it; plugin/external.h implements it for child processes; the
// engine knows nothing else. Everything that crosses it is JSON, so that both ways in are the same.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

namespace slipway {

using json = nlohmann::json;

// One thing a plugin can do.
struct ActionInfo {
  std::string name;     // "build", "push", "apply", …
  std::string summary;  // one sentence for `slipway plugin list`
  json params;          // JSON Schema (draft-07) of the params. A property with "x-slipway-key": false
                        // (a path, a mirror map) does not join the cache key.
  json outputs;  // JSON Schema of the outputs. A property with "x-slipway-exists": "path" or "image" is
                 // checked before a cached outcome is used; `descriptor` is an image always.
  std::vector<std::string> secrets;  // names of the secrets it may be given; "*" = any the step lists
  bool cacheable = false;            // same key, same outputs: may be skipped
  bool slow_fingerprint = false;  // it reads the network or starts a program: asked on the step's own thread
  bool waits = false;  // for people or other runs, doing no work: it takes no place of `--jobs`, and ends
                       // when another step has failed
  bool can_preview = false;
  bool can_undo = false;
};

struct PluginInfo {
  std::string name;
  std::string version;  // joins the cache key: raise it when the same input gives another output
  std::string summary;
  std::vector<ActionInfo> actions;
  const ActionInfo* find(std::string_view action) const {
    for (const auto& a : actions)
      if (a.name == action) return &a;
    return nullptr;
  }
};

struct Invocation {
  std::string action;
  json params;                             // references already resolved, checked against the schema
  std::map<std::string, Secret> secrets;   // by name; only those declared
  std::map<std::string, std::string> env;  // non-secret environment for user commands
  std::filesystem::path project_dir;       // folder of the spec; relative paths in params are below it
  std::filesystem::path cache_dir;    // shared between runs and processes: atomic writes, content-addressed
  std::filesystem::path state_dir;    // kept until the user removes it
  std::filesystem::path work_dir;     // this step's own, empty, removed after the run
  std::filesystem::path reports_dir;  // empty; JUnit and other reports left here are kept with the run
  std::string run_id, step;           // "" outside a run
};

struct Progress {
  std::string text;                     // "[6/9] RUN npm ci"
  std::int64_t current = 0, total = 0;  // bytes or items; total 0: unknown
  std::string unit;                     // "B", "tests", "replicas", …
};

// What a running action tells the outside. Calls may come from the action's thread only, unless it says so.
class Context {
 public:
  virtual ~Context() = default;
  virtual void log(std::string_view text, bool error_stream = false) = 0;  // raw text, any chunking
  virtual void progress(const Progress& progress) = 0;
  // A structured fact for the event stream: kind is "artifact", "test.case", "rollout", "diagnostic" or
  // "cache" or "approval" (field/events in the docs); data is that event's members.
  virtual void event(std::string_view kind, json data) = 0;
  virtual std::stop_token stop() const = 0;  // requested: stop soon, leave nothing half done
};

// The answer of an action. "It failed" is an answer; "cannot go on" throws Error.
struct Outcome {
  bool ok = true;
  json outputs = json::object();  // kept in the cache when ok
  std::string failure;            // why, one line: "exit 1 in `RUN pip install`"
  int exit_code = 1;              // the ExitCode a failed step gives the program (1, 4, 5, 8)
  std::string detail;             // last lines, evidence; shown under the failure
  Location where;                 // of the instruction at fault, when there is one
  bool infrastructure = false;  // the fault lies outside the user's input: `retries: {on: [infra]}` may retry

  static Outcome success(json outputs = json::object()) {
    Outcome o;
    o.outputs = std::move(outputs);
    return o;
  }
  static Outcome failed(std::string why, int exit_code = 1) {
    Outcome o;
    o.ok = false;
    o.failure = std::move(why);
    o.exit_code = exit_code;
    return o;
  }
};

// Methods may be called from several threads at once, each with its own Invocation and Context.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual const PluginInfo& info() const = 0;
  virtual Outcome run(const Invocation& invocation, Context& context) = 0;
  // More of what the outputs depend on, read from outside the params (the digest a tag points to, a file's
  // content); joins the cache key. Quick, and changes nothing. Default: nothing more.
  virtual json fingerprint(const Invocation&, Context&) { return nullptr; }
  // What run would do, changing nothing: {"lines": [texts], "changes": would it change anything, "unsure": it
  // might all the same, "outputs"}. Only when can_preview.
  virtual json preview(const Invocation&, Context&) {
    throw Error(ExitCode::internal, "this action has no preview");
  }
  // Takes back what run did; gets run's outputs. Only when can_undo.
  virtual Outcome undo(const Invocation&, const json& /*outputs*/, Context&) {
    throw Error(ExitCode::internal, "this action has no undo");
  }
};

}  // namespace slipway
