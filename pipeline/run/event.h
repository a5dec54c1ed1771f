// What happens in a run, as versioned events. The journal, the consoles, JUnit and the report only consume
// these.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "plan/plan.h"

namespace slipway {

// How a step or a run ended; the words of OpenTelemetry's cicd.pipeline.task.run.result.
enum class Result { success, failure, error, timeout, cancellation, skip };
std::string_view to_string(Result result);
std::optional<Result> result_from_string(std::string_view word);

struct RunStarted {
  std::string spec, environment;
  std::vector<std::string> argv;
  json git = json::object();
  std::string trace;  // 32 hex digits: the OpenTelemetry trace of this run
  std::string ci;     // "github", "gitlab", … or "" outside CI
};
struct RunPlan {
  json steps = json::array();
  json edges = json::array();
};  // steps: [{name, phase, uses, action, waits?}], edges: [[from, to]] by name
struct StepStarted {};
struct StepProgress {
  std::string text;
  std::int64_t current = 0, total = 0;
  std::string unit;
};
struct StepLog {
  std::string text;  // one or more lines, each ended by '\n' but the very last of a stream
  bool error_stream = false;
};  // masked already; raw bytes of the program: consumers neutralise control sequences
struct CacheDecision {
  bool hit = false;
  std::string key;
  json reason;
};  // reason: the run a hit comes from, or what differs (plan/explain)
struct Fact {
  std::string kind;
  json data;
};  // "artifact" "test.case" "rollout" "diagnostic" "approval" and a plugin's own "cache"
bool is_fact_kind(std::string_view kind);
struct StepFinished {
  Result result = Result::success;
  Millis took{0};
  int exit = 0;  // ExitCode it asks for
  bool cached = false;
  bool ignored = false;               // it failed, and `continue_on_error` lets the run go on
  std::string message, detail, hint;  // the message of mistakes in a file goes on with frames: several lines
  Location where;
  json outputs = json::object();
};
struct RunFinished {
  Result result = Result::success;
  int exit = 0;
  Millis took{0};
  std::vector<std::string> critical_path;
};

struct Event {
  using Body = std::variant<RunStarted, RunPlan, StepStarted, StepProgress, StepLog, CacheDecision, Fact,
                            StepFinished, RunFinished>;
  std::uint64_t seq = 0;  // strictly +1
  std::int64_t ts = 0;    // microseconds since the epoch
  std::string run;
  std::string step;  // "" for the run's own events
  int attempt = 1;
  Body body;
};

// The facts of the kind "approval": a step waits for somebody's word, and has it. Whatever else a plugin
// sends under that name is none.
struct ApprovalAsked {
  std::string project, environment;
  std::vector<std::string> by;     // users and groups who may decide; empty: anybody
  std::vector<std::string> lines;  // what would change
};
struct ApprovalDecided {
  std::string answer;  // "approved" "denied"; "unanswerable": nobody could decide
  std::string by, at, how, why;
};
std::optional<ApprovalAsked> approval_asked(const Event& event);
std::optional<ApprovalDecided> approval_decided(const Event& event);

// One line of the event stream (events.schema.json: v, seq, ts, run, step, type, …) and back. A line of an
// unknown type gives nullopt: readers ignore what they do not know. Throws Error(usage) when it is no event
// at all.
std::string to_line(const Event& event);  // with its '\n'; never fails, whatever bytes the texts hold
std::optional<Event> event_from_json(const json& line);

// Consumers are called on the engine's thread, in order.
using EventSink = std::function<void(const Event&)>;

}  // namespace slipway
